-- Takes back a portion of what an incarnation declared in a partition, and its lease with the last of it. From the first
-- portion on it can neither be renewed nor declared under.
--
-- KEYS: 1 leases, 2 turns, 3 held:INCARNATION, 4 fence. Those of the rooms that are found in held:INCARNATION are built
--       here and are of the same partition.
-- ARGV: 1 incarnation, 2 the most declarations of the portion, 3 the sweeper's fence, empty for the incarnation's own
--       replica; what the names begin with, up to the room's, of 4 users:ROOM, 5 members:ROOM, 6 the room's channel.
-- Answers 1 if there may be more, 0 if nothing is left, -1 if a later sweeper was seen; that one does it.

local incarnation = ARGV[1]
if ARGV[3] ~= '' and tonumber(redis.call('GET', KEYS[4]) or 0) > tonumber(ARGV[3]) then
  return -1
end
redis.call('ZADD', KEYS[1], 'XX', -1, incarnation)

local declarations = redis.call('SCARD', KEYS[3])
local found = {}
for number, declaration in ipairs(redis.call('SRANDMEMBER', KEYS[3], ARGV[2])) do
  local name, user = string.match(declaration, '^(%S+) (%S+)$')
  local room = {users = ARGV[4] .. name, members = ARGV[5] .. name, channel = ARGV[6] .. name}
  -- While a slot moves, some keys may have gone ahead. Asking for one of those fails, before anything is done.
  redis.call('EXISTS', room.users, room.members)
  found[number] = {declaration = declaration, room = room, user = user}
end
for _, held in ipairs(found) do
  note(held.room, incarnation, held.user, 0)
  redis.call('SREM', KEYS[3], held.declaration)
end
if declarations > #found then
  return 1
end
redis.call('ZREM', KEYS[1], incarnation)
redis.call('HDEL', KEYS[2], incarnation)
return 0
