-- Fragment: who is in a room. A room's hash of members has for each user {"name": …, "by": {incarnation: connections}},
-- and its sorted set of users, all of score 0, has them in the order of their ids.

-- Notes how many connections of a user an incarnation has in a room; the name counts unless there are none. If the user
-- came or went by that, it tells the room: one frame of the bus, with the count after it. Answers that count.
--
-- It asks first and writes then: a key that is gone after a write cannot be asked for while its slot moves.
local function note(room, incarnation, user, connections, name)
  local stored, count = redis.call('HGET', room.members, user), redis.call('ZCARD', room.users)
  local member = stored and cjson.decode(stored) or {by = {}}
  if connections > 0 then
    member.by[incarnation] = connections
    member.name = name
  else
    member.by[incarnation] = nil
  end
  local is_member = next(member.by) ~= nil
  if is_member then
    redis.call('HSET', room.members, user, cjson.encode(member))
  end
  if is_member == (stored ~= false) then
    return count
  end
  if is_member then
    redis.call('ZADD', room.users, 0, user)
    count = count + 1
  else
    redis.call('HDEL', room.members, user)
    redis.call('ZREM', room.users, user)
    count = count - 1
  end
  local change = {user = user, name = member.name, present = is_member, count = count}
  redis.call('SPUBLISH', room.channel, 'P' .. cjson.encode(change))
  return count
end

-- Whether a lease stands or may still be renewed; one that is being given up has the score -1.
local function is_leased(leases, incarnation)
  local until_ms = redis.call('ZSCORE', leases, incarnation)
  return until_ms and tonumber(until_ms) >= 0
end
