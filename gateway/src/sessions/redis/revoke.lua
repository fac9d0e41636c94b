-- Ends one of the user's sessions, or all but one.
--
-- KEYS    1 the user's sessions: hash, id → record
-- ARGV    1 'one' or 'others' · 2 the id
-- Answer  the ids of those that stood and were ended
local now, ended = now_ms(), {}
local ids = ARGV[1] == 'one' and {ARGV[2]} or redis.call('HKEYS', KEYS[1])
for _, id in ipairs(ids) do
  local record = (ARGV[1] == 'one' or id ~= ARGV[2]) and redis.call('HGET', KEYS[1], id)
  if record then
    redis.call('HDEL', KEYS[1], id)
    if read(record).expires > now then ended[#ended + 1] = id end
  end
end
return ended
