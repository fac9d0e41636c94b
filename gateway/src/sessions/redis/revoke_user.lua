-- Ends all of the user's sessions, and refuses every credential that was issued until now. That is kept for good, since
-- nobody knows how long the tokens live that it refuses.
--
-- KEYS    1 the user's sessions: hash · 2 how the user stands: hash
-- Answer  the second (Unix) until which credentials are refused
local before = tonumber(redis.call('HGET', KEYS[2], 'revoked_before_s') or 0)
local second = math.max(before, math.floor(now_ms() / 1000))
redis.call('HSET', KEYS[2], 'revoked_before_s', string.format('%.0f', second))
redis.call('PERSIST', KEYS[2])
redis.call('DEL', KEYS[1])
return second
