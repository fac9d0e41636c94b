-- Announces a replica, and forgets those whose lease has run out.
--
-- KEYS    1 the replicas: hash, run → `announced_ms JSON`
-- ARGV    1 run · 2 the announcement, JSON · 3 lease_ms
local now = now_ms()
local known = redis.call('HGETALL', KEYS[1])
for i = 1, #known, 2 do
  if now - string.match(known[i + 1], '^%d+') >= tonumber(ARGV[3]) then redis.call('HDEL', KEYS[1], known[i]) end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s', now, ARGV[2]))
return redis.call('PEXPIRE', KEYS[1], ARGV[3] * 10)
