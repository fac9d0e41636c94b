-- The replicas whose lease stands.
--
-- KEYS    1 the replicas: hash, run → `announced_ms JSON`
-- ARGV    1 lease_ms
-- Answer  milliseconds since it was announced, announcement, and the same of the next one
local now, standing = now_ms(), {}
for _, known in ipairs(redis.call('HVALS', KEYS[1])) do
  local announced, announcement = string.match(known, '^(%d+) (.*)$')
  local age = math.max(now - announced, 0)
  if age < tonumber(ARGV[1]) then
    standing[#standing + 1] = age
    standing[#standing + 1] = announcement
  end
end
return standing
