-- Sets the end of a lease, unless it was lost.
--
-- KEYS: 1 the lock, as `acquire.lua` describes it.
-- ARGV: 1 fence, 2 lease from now on in milliseconds, 0 to give the lock back, 3 how long an ended lock is remembered,
--       in milliseconds.
-- Answers 1, or 0 if the lease was lost.

local now = now_ms()
local fence, until_ms = unpack(redis.call('HMGET', KEYS[1], 'fence', 'until_ms'))
if fence ~= ARGV[1] or now >= tonumber(until_ms) then
  return 0
end
-- What was given back is free whatever the clock says later.
until_ms = ARGV[2] == '0' and '0' or string.format('%.0f', now + tonumber(ARGV[2]))
redis.call('HSET', KEYS[1], 'until_ms', until_ms)
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', tonumber(ARGV[2]) + tonumber(ARGV[3])))
return 1
