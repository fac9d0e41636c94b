-- A page of the members of a room, ordered by user id.
--
-- KEYS: 1 users:ROOM, 2 members:ROOM.
-- ARGV: 1 the user after whom the page begins, empty for the first page, 2 the most members of the page.
-- Answers how many users are in the room, whether more follow after the page, and the page: user, member, user, …

local after, limit = ARGV[1], tonumber(ARGV[2])
local start = after == '' and '-' or '(' .. after
local users = redis.call('ZRANGEBYLEX', KEYS[1], start, '+', 'LIMIT', 0, limit + 1)
local answer = {redis.call('ZCARD', KEYS[1]), #users > limit and 1 or 0}
for number = 1, math.min(#users, limit) do
  answer[#answer + 1] = users[number]
  answer[#answer + 1] = redis.call('HGET', KEYS[2], users[number])
end
return answer
