-- Gets a lock unless somebody else holds it, or gets it again for who holds it already.
--
-- KEYS: 1 the lock: a hash of its owner, fence and until_ms, which outlives the lease for the sake of the fence.
-- ARGV: 1 owner, 2 lease in milliseconds, 3 how long an ended lock is remembered, in milliseconds.
-- Answers the fence, 0 if somebody else has the lock.
--
-- A fence is at least the time in microseconds, so that it rises although a failover, or time, took the last one away.

local now = now_ms()
local owner, fence, until_ms = unpack(redis.call('HMGET', KEYS[1], 'owner', 'fence', 'until_ms'))
if until_ms and now < tonumber(until_ms) then
  if owner ~= ARGV[1] then
    return 0
  end
else
  fence = string.format('%.0f', math.max(tonumber(fence or 0) + 1, now * 1000))
end
until_ms = string.format('%.0f', now + tonumber(ARGV[2]))
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'fence', fence, 'until_ms', until_ms)
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', tonumber(ARGV[2]) + tonumber(ARGV[3])))
return tonumber(fence)
