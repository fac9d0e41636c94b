-- Fragment: who is in a room. A room's hash of members has for each user {"name": …, "by": {incarnation: connections}},
-- and its sorted set of users, all of score 0, has them in the order of their ids.

-- Tells the room that a user came or went: one frame of the bus, with the count after it.
local function tell(room, user, name, present)
  local change = {user = user, name = name, present = present, count = redis.call('ZCARD', room.users)}
  redis.call('SPUBLISH', room.channel, 'P' .. cjson.encode(change))
end

-- Notes how many connections of a user an incarnation has in a room; the name counts unless there are none.
local function note(room, incarnation, user, connections, name)
  local stored = redis.call('HGET', room.members, user)
  local member = stored and cjson.decode(stored) or {by = {}}
  if connections > 0 then
    member.by[incarnation] = connections
    member.name = name
  else
    member.by[incarnation] = nil
  end
  if next(member.by) then
    redis.call('HSET', room.members, user, cjson.encode(member))
    if not stored then
      redis.call('ZADD', room.users, 0, user)
      tell(room, user, name, true)
    end
  elseif stored then
    redis.call('HDEL', room.members, user)
    redis.call('ZREM', room.users, user)
    tell(room, user, member.name, false)
  end
end

-- Whether a lease stands or may still be renewed; one that is being given up has the score -1.
local function is_leased(leases, incarnation)
  local until_ms = redis.call('ZSCORE', leases, incarnation)
  return until_ms and tonumber(until_ms) >= 0
end
