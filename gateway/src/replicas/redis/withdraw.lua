-- Takes a replica's announcement back.
--
-- KEYS    1 the replicas: hash, run → `announced_ms JSON`
-- ARGV    1 run
return redis.call('HDEL', KEYS[1], ARGV[1])
