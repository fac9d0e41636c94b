-- What is unread by a user in a room.
--
-- KEYS    log, meta, gone, read
-- ARGV    user
-- Result  number of the marker, number of the head, messages after the marker that are kept
local now = now_ms()
local log = look(KEYS[1], KEYS[2], KEYS[3], now)
if not log then return { 0, 0, 0 } end
local _, seq, _, count = marker(log, KEYS[4], ARGV[1], now)
return { seq, log.seq, log.count - math.max(count, log.trimmed) }
