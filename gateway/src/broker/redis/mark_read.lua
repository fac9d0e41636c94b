-- Moves a user's read marker forward and tells the bus where it moved.
--
-- KEYS    log, meta, gone, read
-- ARGV    user, epoch, seq and tag of the position, channel, rest of the receipt after its `pos`
-- Result  1 where it moved; epoch, seq and tag of where it stands now
local user, epoch, seq, tag = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local now = now_ms()

local log = look(KEYS[1], KEYS[2], KEYS[3], now)
if not log then return { 0, '', 0, '' } end
local count
if relation(log, epoch, seq, tag) == 'foreign' then
  epoch, seq, tag, count = log.epoch, log.seq, log.tag, log.count
elseif seq >= log.first then
  local _, own_count = read_h(h_of(log, seq))
  count = own_count
else
  count = log.trimmed
end
local own_epoch, own_seq, own_tag = marker(log, KEYS[4], user, now)
if seq <= own_seq then return { 0, own_epoch, own_seq, own_tag } end
set_markers(log, KEYS[4], { user, marker_text(epoch, seq, tag, count, now) }, now)
local pos = epoch .. '-' .. seq .. '-' .. tag
redis.call('SPUBLISH', ARGV[5], 'R{"user":"' .. user .. '","pos":"' .. pos .. '"' .. ARGV[6])
return { 1, epoch, seq, tag }
