-- What a room's log is in Redis; a fragment of every script that touches one.
--
-- log    stream; id `seq-0`; h: `epoch seq tag count time_ms prev cost_bytes sum`, b: the body, whose first line has no
--        data in it
-- gone   hash; number of an entry that was deleted → its h, a line break, and the first line of its b
-- meta   hash; where the log ends and begins, so that neither needs its entry
--          head    `epoch seq tag count time_ms bytes sum`: the newest entry, what the kept ones cost, and what all did
--          kept    `first before trimmed oldest_ms gone about fresh_ms limits`: the number that is kept first, tag and
--                  count before it, and its time; how many of the kept ones were deleted; the highest number that
--                  anything hangs on; when the keys were last told how long to live, Unix milliseconds; and how much is
--                  kept, by the last publish: `entries bytes age_ms`
--          standings  there where anybody may be banned or muted
-- about  hash of a message, named by number and tag; e: numbers of its edits; r…: where each reaction was put on it
--
-- A log whose parts do not fit together has lost some: what is left of it counts as trimmed, and without its meta it
-- is another log. Times to live only collect garbage. Where there is no tag there is `-`. Numbers stay below 10^14, so
-- that Lua writes all their digits. A string that Lua makes costs it a look at every byte, and that is most of what a
-- script costs here, so few are made.
local call, format = redis.call, string.format

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

-- Tag, count, time, cost and sum, by an entry's h.
local function read_h(h)
  local tag, count, time_ms, cost, sum = string.match(h, '^%w+ %d+ (%w+) (%d+) (%d+) %S+ (%d+) (%d+)$')
  return tag, tonumber(count), tonumber(time_ms), tonumber(cost), tonumber(sum)
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

-- Whether retention no longer allows an entry, where those from it on cost so much.
local function is_outdated(log, now, seq, time_ms, bytes)
  if bytes > log.limits.bytes then return true end
  local age_ms = now - time_ms
  local too_many = log.seq - seq + 1 > log.limits.entries
  return age_ms >= FLOOR_MS and (too_many or age_ms > log.limits.age_ms)
end

-- The last entry that retention no longer allows, where the first is one, all stand in the stream and so the sums say
-- what is between them: looked for from where it is likely. Answers its number and h, and h of the next one if any.
local function last_outdated(log, now)
  local low, high, found = log.first, log.seq + 1, {}
  local function look_at(seq)
    found[seq] = found[seq] or call('XRANGE', log.log_key, seq, seq)[1][2][2]
    return found[seq]
  end
  local too_much = math.max(log.bytes - log.limits.bytes, 0) / log.bytes
  local guess, step = low + math.max(math.floor(too_much * (high - low)), 1), 1
  while high - low > 1 do
    local seq = guess > low and guess < high and guess or math.floor((low + high) / 2)
    local _, _, time_ms, cost, sum = read_h(look_at(seq))
    if is_outdated(log, now, seq, time_ms, log.sum - sum + cost) then
      low, guess = seq, seq + step
    else
      high, guess = seq, seq - step
    end
    step = 2 * step
  end
  return low, look_at(low), high <= log.seq and look_at(high)
end

-- Drops what retention no longer allows, where nothing was deleted and nothing hangs on what goes.
local function trim_plainly(log, now)
  local last, h, next_h = last_outdated(log, now)
  local tag, count, _, _, sum = read_h(h)
  log.first, log.before, log.trimmed, log.bytes = last + 1, tag, count, log.sum - sum
  if next_h then
    local _, _, time_ms = read_h(next_h)
    log.oldest_ms = time_ms
  end
  call('XTRIM', log.log_key, 'MINID', log.first)
end

-- The same entry by entry, with what hangs on each.
local function trim_with_care(log, now)
  local about_prefix = string.gsub(log.meta_key, '}:meta:', '}:about:', 1) .. ':'
  local from, entries = log.first, slice(log, log.first, math.min(log.first + 1, log.seq))
  local tag, count, time_ms, cost = read_h(entries[1][1])
  repeat
    local seq = log.first
    if log.gone > 0 then log.gone = log.gone - call('HDEL', log.gone_key, seq) end
    -- What hangs on a message goes with it; while its slot is moving it may have to wait for the end of its time.
    if seq <= log.about then redis.pcall('DEL', about_prefix .. seq .. '-' .. tag) end
    log.first, log.before, log.trimmed, log.bytes = seq + 1, tag, count, log.bytes - cost
    if log.first > log.seq then break end
    if not entries[log.first - from + 1] then
      from = log.first
      entries = slice(log, from, math.min(from + CHUNK, log.seq))
    end
    tag, count, time_ms, cost = read_h(entries[log.first - from + 1][1])
    log.oldest_ms = time_ms
  until not is_outdated(log, now, log.first, log.oldest_ms, log.bytes)
  call('XTRIM', log.log_key, 'MINID', log.first)
end

-- Drops what retention no longer allows.
local function trim(log, now)
  if log.first > log.seq or not is_outdated(log, now, log.first, log.oldest_ms, log.bytes) then return end
  log.kept_changed = true
  if log.gone == 0 and log.first > log.about then trim_plainly(log, now) else trim_with_care(log, now) end
end

-- Writes down where the log begins, and where it ends.
local function save(log)
  local head = format(
    '%s %d %s %d %d %d %d', log.epoch, log.seq, log.tag, log.count, log.time_ms, log.bytes, log.sum
  )
  if not log.kept_changed then
    call('HSET', log.meta_key, 'head', head)
    return
  end
  local kept = format(
    '%d %s %d %d %d %d %d %s', log.first, log.before, log.trimmed, log.oldest_ms, log.gone, log.about, log.fresh_ms,
    log.limits.text
  )
  call('HSET', log.meta_key, 'head', head, 'kept', kept)
  log.kept_changed = false
end

-- The log as its keys have it and retention allows it now; nothing where there is none. What retention dropped is yet
-- to be saved.
local function open(log_key, meta_key, gone_key, now)
  local meta = call('HMGET', meta_key, 'head', 'kept', 'standings')
  if not meta[1] then return nil end
  local epoch, seq, tag, count, time_ms, bytes, sum =
    string.match(meta[1], '^(%w+) (%d+) (%w+) (%d+) (%d+) (%d+) (%d+)$')
  local first, before, trimmed, oldest_ms, gone, about, fresh_ms, limits =
    string.match(meta[2], '^(%d+) (%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (.*)$')
  local log = {
    log_key = log_key, meta_key = meta_key, gone_key = gone_key,
    epoch = epoch, seq = tonumber(seq), tag = tag, count = tonumber(count), time_ms = tonumber(time_ms),
    bytes = tonumber(bytes), sum = tonumber(sum), first = tonumber(first), before = before,
    trimmed = tonumber(trimmed), oldest_ms = tonumber(oldest_ms), gone = tonumber(gone), about = tonumber(about),
    fresh_ms = tonumber(fresh_ms), limits = read_limits(limits), has_standings = meta[3] ~= false,
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
