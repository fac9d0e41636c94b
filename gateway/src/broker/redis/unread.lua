-- What is unread by a user in some rooms of one partition.
--
-- KEYS    of each: log, meta, gone, read
-- ARGV    user
-- Result  of each: number of the marker, number of the head, messages after the marker that are kept
local now, unread = now_ms(), {}
for index = 1, #KEYS, 4 do
  local log = look(KEYS[index], KEYS[index + 1], KEYS[index + 2], now)
  local seq, count = 0, 0
  if log then
    local _, own_seq, _, own_count = marker(log, KEYS[index + 3], ARGV[1], now)
    seq, count = own_seq, math.max(own_count, log.trimmed)
  end
  unread[#unread + 1] = seq
  unread[#unread + 1] = log and log.seq or 0
  unread[#unread + 1] = log and log.count - count or 0
end
return unread
