-- Reads a part of a log, as it is at one moment.
--
-- KEYS    log, meta, gone
-- ARGV    range (newest, before, after), epoch, seq and tag of the position, at most so many entries and bytes
-- Result  nothing where there is no log; where the position is of another log, its epoch, seq, tag, count and first
--         number that is kept; of a page the same, then 1 where there is more, 1 for a gap, the number of its first
--         entry, and h and b of each
local range, epoch, seq, tag = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local entries_max, bytes_max = tonumber(ARGV[5]), tonumber(ARGV[6])

local log = look(KEYS[1], KEYS[2], KEYS[3], now_ms())
if not log then return {} end
local reading = { log.epoch, log.seq, log.tag, log.count, log.first }
local standing = range == 'newest' and 'proven' or relation(log, epoch, seq, tag)
if standing == 'foreign' then return reading end

local from, to = log.first, log.seq
if range == 'before' then to = seq - 1 end
if range == 'after' then from = math.max(from, seq + 1) end
local asked = math.max(to - from + 1, 0)

-- From the end that was asked for, some at a time, until the page is full.
local page, bytes, is_full = {}, 0, false
while #page < asked and not is_full do
  local chunk = math.min(asked - #page, CHUNK)
  local start = range == 'after' and from + #page or to - #page - chunk + 1
  local entries = slice(log, start, start + chunk - 1)
  for index = 1, chunk do
    local entry = entries[range == 'after' and index or chunk - index + 1]
    local _, _, _, cost = read_h(entry[1])
    bytes = bytes + cost
    is_full = #page >= entries_max or (#page > 0 and bytes > bytes_max)
    if is_full then break end
    page[#page + 1] = entry
  end
end

reading[6] = #page < asked and 1 or 0
reading[7] = range == 'after' and standing == 'passed' and 1 or 0
reading[8] = range == 'after' and from or to - #page + 1
for index = 1, #page do
  local entry = page[range == 'after' and index or #page - index + 1]
  reading[#reading + 1] = entry[1]
  reading[#reading + 1] = entry[2]
end
return reading
