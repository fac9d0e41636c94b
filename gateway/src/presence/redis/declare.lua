-- Declares how many connections of some users an incarnation has in some rooms of one partition, 0 for none any more.
--
-- KEYS: 1 leases, 2 turns, 3 held:INCARNATION; then of each declaration its users:ROOM and members:ROOM.
-- ARGV: 1 incarnation, 2 turn of this call, 3 the last turn that was answered; then of each declaration its room,
--       channel, user, connections, and how many names follow (0 or 1) with a name or nothing.
-- Answers whether the declarations count, and how many users are in each declaration's room then.
--
-- They do not count without a lease; nor if the store knows fewer turns than were answered, as it then has lost some;
-- nor if this call comes after one that was sent later.

local incarnation, turn, answered = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local last = tonumber(redis.call('HGET', KEYS[2], incarnation) or 0)
local counts = is_leased(KEYS[1], incarnation) and answered <= last and last < turn
if counts then
  redis.call('HSET', KEYS[2], incarnation, ARGV[2])
end
local answer = {counts and 1 or 0}
for number = 0, (#KEYS - 3) / 2 - 1 do
  local key, arg = 3 + 2 * number, 3 + 6 * number
  local room = {users = KEYS[key + 1], members = KEYS[key + 2], channel = ARGV[arg + 2]}
  if counts then
    local user, connections = ARGV[arg + 3], tonumber(ARGV[arg + 4])
    local declaration = ARGV[arg + 1] .. ' ' .. user
    local name = ARGV[arg + 5] == '1' and ARGV[arg + 6] or cjson.null
    redis.call(connections > 0 and 'SADD' or 'SREM', KEYS[3], declaration)
    answer[number + 2] = note(room, incarnation, user, connections, name)
  else
    answer[number + 2] = redis.call('ZCARD', room.users)
  end
end
return answer
