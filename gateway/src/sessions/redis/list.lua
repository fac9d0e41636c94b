-- The user's sessions that stand, or one of them.
--
-- KEYS    1 the user's sessions: hash, id → record
-- ARGV    1 id, or '' for all
-- Answer  id, record, id, record …
local stored
if ARGV[1] == '' then
  stored = redis.call('HGETALL', KEYS[1])
else
  stored = {ARGV[1], redis.call('HGET', KEYS[1], ARGV[1]) or nil}
end
local now, standing = now_ms(), {}
for i = 1, #stored - 1, 2 do
  if read(stored[i + 1]).expires > now then
    standing[#standing + 1] = stored[i]
    standing[#standing + 1] = stored[i + 1]
  end
end
return standing
