-- What a room's log is in Redis; a fragment of every script that touches one.
--
-- log    stream; id `seq-0`; h: `tag prev count time_ms cost_bytes`, b: the body, whose first line has no data in it
-- gone   hash; number of an entry that was deleted → its h, a line break, and the first line of its b
-- meta   hash; where the log ends and begins, so that neither needs its entry
--          head    `epoch seq tag count time_ms bytes`: the newest entry, and what the kept ones cost
--          kept    `first before trimmed oldest_ms gone about`: the number that is kept first, tag and count before it,
--                  and its time; how many of the kept ones were deleted; the highest number that anything hangs on
--          limits  `entries bytes age_ms`: how much is kept, by the last publish
--          fresh   when the keys were last told how long to live, Unix milliseconds
-- about  hash of a message, named by number and tag; e: numbers of its edits; r…: where each reaction was put on it
--
-- A log whose parts do not fit together has lost some: what is left of it counts as trimmed, and without its meta it
-- is another log. Times to live only collect garbage. Where there is no tag there is `-`. Numbers stay below 10^14, so
-- that Lua writes all their digits; that costs it more than anything else here, so what was text stays text.
local call = redis.call

local FLOOR_MS = 60000
local HEAD_KEPT_MS = 30 * 24 * 60 * 60 * 1000
-- Keys are told once in a while how long to live, and that they live for so much longer than they must.
local FRESH_MS, SPARE_MS = 60000, 600000
-- So many entries are looked at together.
local CHUNK = 32

local known_limits = {}

-- Reads `entries bytes age_ms`.
local function read_limits(text)
  local limits = known_limits[text]
  if not limits then
    local entries, bytes, age_ms = string.match(text, '^(%d+) (%d+) (%d+)$')
    limits = { text = text, entries = tonumber(entries), bytes = tonumber(bytes), age_ms = tonumber(age_ms) }
    known_limits[text] = limits
  end
  return limits
end

-- Drops all entries.
local function lose_entries(log)
  call('UNLINK', log.log_key, log.gone_key)
  log.first, log.before, log.trimmed = log.seq + 1, log.tag, log.count
  log.bytes, log.gone, log.fresh_ms, log.kept_changed = 0, 0, 0, true
end

-- Tag, count, time and cost, by an entry's h.
local function read_h(h)
  local tag, count, time_ms, cost = string.match(h, '^(%w+) %S+ (%d+) (%d+) (%d+)$')
  return tag, tonumber(count), tonumber(time_ms), tonumber(cost)
end

-- h and b of a deleted entry, as `gone` holds them.
local function read_gone(text)
  local cut = string.find(text, '\n', 1, true)
  return { string.sub(text, 1, cut - 1), string.sub(text, cut + 1) }
end

-- h and b of the kept entries from one number to another.
local function slice(log, from, to)
  local entries, missing, next_item = {}, {}, 1
  local items = call('XRANGE', log.log_key, from, to)
  for seq = from, to do
    local item = items[next_item]
    if item and item[1] == seq .. '-0' then
      entries[seq - from + 1] = { item[2][2], item[2][4] }
      next_item = next_item + 1
    else
      missing[#missing + 1] = seq
    end
  end
  if missing[1] then
    for index, text in ipairs(call('HMGET', log.gone_key, unpack(missing))) do
      entries[missing[index] - from + 1] = read_gone(text)
    end
  end
  return entries
end

-- Whether retention no longer allows the oldest entry.
local function is_outdated(log, now)
  if log.first > log.seq then return false end
  if log.bytes > log.limits.bytes then return true end
  local age_ms = now - log.oldest_ms
  local too_many = log.seq - log.first + 1 > log.limits.entries
  return age_ms >= FLOOR_MS and (too_many or age_ms > log.limits.age_ms)
end

-- Drops what retention no longer allows.
local function trim(log, now)
  if not is_outdated(log, now) then return end
  local first, tags = log.first, {}
  -- At first the oldest entry and its successor are looked at, then some at a time.
  local from, entries = first, slice(log, first, math.min(first + 1, log.seq))
  local tag, count, time_ms, cost = read_h(entries[1][1])
  repeat
    tags[#tags + 1] = tag
    log.first, log.before, log.trimmed, log.bytes = log.first + 1, tag, count, log.bytes - cost
    if log.first <= log.seq then
      if not entries[log.first - from + 1] then
        from = log.first
        entries = slice(log, from, math.min(from + CHUNK, log.seq))
      end
      tag, count, time_ms, cost = read_h(entries[log.first - from + 1][1])
      log.oldest_ms = time_ms
    end
  until not is_outdated(log, now)
  log.kept_changed = true
  call('XTRIM', log.log_key, 'MINID', log.first)
  if log.gone == 0 and first > log.about then return end
  local about_prefix = string.gsub(log.meta_key, '}:meta:', '}:about:', 1) .. ':'
  for index, tag in ipairs(tags) do
    local seq = first + index - 1
    if log.gone > 0 then log.gone = log.gone - call('HDEL', log.gone_key, seq) end
    -- What hangs on a message goes with it; while its slot is moving it may have to wait for the end of its time.
    if seq <= log.about then redis.pcall('DEL', about_prefix .. seq .. '-' .. tag) end
  end
end

-- Writes down where the log begins, and where it ends.
local function save(log)
  local head = log.epoch .. ' ' .. log.seq .. ' ' .. log.tag .. ' ' .. log.count .. ' ' .. log.time_ms .. ' ' .. log.bytes
  if not log.kept_changed then
    call('HSET', log.meta_key, 'head', head)
    return
  end
  local kept = log.first .. ' ' .. log.before .. ' ' .. log.trimmed .. ' ' .. log.oldest_ms
  kept = kept .. ' ' .. log.gone .. ' ' .. log.about
  call('HSET', log.meta_key, 'head', head, 'kept', kept, 'limits', log.limits.text, 'fresh', log.fresh_ms)
  log.kept_changed = false
end

-- The log as its keys have it and retention allows it now; nothing where there is none. What retention dropped is yet
-- to be saved.
local function open(log_key, meta_key, gone_key, now)
  local meta = call('HMGET', meta_key, 'head', 'kept', 'limits', 'fresh')
  if not meta[1] then return nil end
  local epoch, seq, tag, count, time_ms, bytes = string.match(meta[1], '^(%w+) (%d+) (%w+) (%d+) (%d+) (%d+)$')
  local first, before, trimmed, oldest_ms, gone, about = string.match(meta[2], '^(%d+) (%S+) (%d+) (%d+) (%d+) (%d+)$')
  local log = {
    log_key = log_key, meta_key = meta_key, gone_key = gone_key,
    epoch = epoch, seq = tonumber(seq), tag = tag, count = tonumber(count), time_ms = tonumber(time_ms),
    bytes = tonumber(bytes), first = tonumber(first), before = before, trimmed = tonumber(trimmed),
    oldest_ms = tonumber(oldest_ms), gone = tonumber(gone), about = tonumber(about),
    limits = read_limits(meta[3]), fresh_ms = tonumber(meta[4]),
  }
  local kept = log.seq - log.first + 1
  local is_whole = kept == 0 or call('XLEN', log_key) == kept - log.gone
  if log.gone > 0 then is_whole = is_whole and call('HLEN', gone_key) == log.gone end
  if is_whole then trim(log, now) else lose_entries(log) end
  return log
end

-- The same for scripts that only read.
local function look(log_key, meta_key, gone_key, now)
  local log = open(log_key, meta_key, gone_key, now)
  if log and log.kept_changed then save(log) end
  return log
end

-- How long the parts of a room live after its last publish: entries and what belongs to them, and the head.
local function lives_ms(log)
  local log_ms = math.max(log.limits.age_ms, FLOOR_MS) + SPARE_MS
  return log_ms, math.max(log_ms, HEAD_KEPT_MS + SPARE_MS)
end

-- h of a kept entry, deleted or not.
local function h_of(log, seq)
  local found = call('XRANGE', log.log_key, seq, seq)[1]
  if found then return found[2][2] end
  return read_gone(call('HGET', log.gone_key, seq))[1]
end

-- How a position relates to the log: 'proven', 'passed' by retention, or 'foreign'.
local function relation(log, epoch, seq, tag)
  if seq == 0 then return log.first == 1 and 'proven' or 'passed' end
  if epoch ~= log.epoch or seq > log.seq then return 'foreign' end
  local own
  if seq == log.seq then
    own = log.tag
  elseif seq >= log.first then
    own = read_h(h_of(log, seq))
  elseif seq + 1 == log.first then
    own = log.before
  else
    return 'passed'
  end
  return own == tag and 'proven' or 'foreign'
end
