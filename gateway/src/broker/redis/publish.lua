-- Appends to the logs of one partition and tells the bus, message by message in the order given, all in one step.
--
-- KEYS  of each room: log, meta, gone, read, standing; then of each message those that it has: its dedupe key, the
--       pace of its user, the about of its target. Besides, the about of messages that retention drops (same slot).
-- ARGV  rooms, terms, dedupe window in ms;
--       of each room: channel, epoch for a log that has none;
--       of each terms: number of the room, authority (member, moderator, server), slow mode in ms, limits as in meta;
--       of each message: number of its terms, kind (message, edit, delete, reaction), tag, user, whether it has a dedupe
--       key (1), ms that the rate limits told to wait, cost in bytes, `connection request body_bytes` with `-` for what
--       there is not, target as `epoch seq tag`, `add` or `remove` and emoji, body. What there is not is empty.
-- Result of each message: `appended seq time_ms epoch`, `duplicate epoch seq tag time_ms`, `limited ms`, or one word:
--       gone, not_author, banned, muted.
--
-- One message on the bus for each room: E, and of each new entry
--       `epoch seq tag prev count time_ms connection request body_bytes`, a line break, and the body.
local ROOM_KEYS, ROOM_ARGS, TERMS_ARGS, MESSAGE_ARGS = 5, 2, 4, 11
-- There are many dedupe keys and paces, so they do not live for much longer than they must.
local SHORT_SPARE_MS = 30000

local now = now_ms()
local rooms_count, terms_count, window_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local next_key, next_arg = rooms_count * ROOM_KEYS + 1, 4

local rooms, terms_of = {}, {}
for index = 1, rooms_count do
  local log_key, meta_key, gone_key, read_key, standing_key = unpack(KEYS, (index - 1) * ROOM_KEYS + 1, index * ROOM_KEYS)
  rooms[index] = {
    log_key = log_key, meta_key = meta_key, gone_key = gone_key, read_key = read_key, standing_key = standing_key,
    channel = ARGV[next_arg], new_epoch = ARGV[next_arg + 1],
    log = open(log_key, meta_key, gone_key, now),
    has_standings = call('EXISTS', standing_key) == 1,
    frame = {}, markers = {},
  }
  next_arg = next_arg + ROOM_ARGS
end
for index = 1, terms_count do
  local room, authority, slow_mode_ms, limits = unpack(ARGV, next_arg, next_arg + TERMS_ARGS - 1)
  terms_of[index] = {
    room = rooms[tonumber(room)], authority = authority, slow_mode_ms = tonumber(slow_mode_ms),
    limits = read_limits(limits),
  }
  next_arg = next_arg + TERMS_ARGS
end

local function take_key()
  next_key = next_key + 1
  return KEYS[next_key - 1]
end

-- What an earlier request with the same key was answered.
local function earlier(log, dedupe_key)
  local first = call('GET', dedupe_key)
  if not first then return nil end
  local since_ms, pos = string.match(first, '^(%d+) (.*)$')
  if now - since_ms >= window_ms then return nil end
  local epoch, seq, tag = string.match(pos, '^(%w+) (%d+) (%w+) ')
  if relation(log, epoch, tonumber(seq), tag) == 'foreign' then return nil end
  return 'duplicate ' .. pos
end

-- From now on a key counts for `epoch seq tag time_ms`.
local function use_key(dedupe_key, first)
  call('SET', dedupe_key, now .. ' ' .. first, 'PX', window_ms + SHORT_SPARE_MS)
end

-- How the room forbids a user to speak, or to take back what was said.
local function forbidden(room, kind, user)
  local banned, muted = standing(room.standing_key, user, now)
  if banned then return 'banned' end
  return muted and kind ~= 'delete' and 'muted' or nil
end

-- How long slow mode and the rate limits tell a user to wait.
local function limited(slow_mode_ms, pace_key, told_ms)
  local spoke_ms = pace_key and call('GET', pace_key)
  local wait_ms = spoke_ms and spoke_ms + slow_mode_ms - now or 0
  if wait_ms <= 0 and told_ms == '' then return nil end
  return 'limited ' .. math.max(wait_ms, tonumber(told_ms) or 0)
end

-- What the target says against an entry: that it is no kept message, that it is of somebody else, or that a reaction
-- would change nothing.
local function hindered(log, terms, kind, user, target, about_key, reaction)
  if not log then return 'gone' end
  local epoch, seq, tag = string.match(target, '^(%w*) (%d+) (%w*)$')
  seq = tonumber(seq)
  if epoch ~= log.epoch or seq < log.first or seq > log.seq then return 'gone' end
  -- What was deleted stands no more in the stream.
  local found = call('XRANGE', log.log_key, seq, seq)[1]
  if not found or read_h(found[2][2]) ~= tag then return 'gone' end
  local rest = string.match(found[2][4], '^{"kind":"message"([^\n]*)')
  if not rest then return 'gone' end
  if kind ~= 'reaction' then
    local is_own = user ~= '' and string.match(rest, '^,"user":"([^"]*)"') == user
    return not is_own and terms.authority == 'member' and 'not_author' or nil
  end
  local op, emoji = string.match(reaction, '^(%a+) (.*)$')
  local put = call('HGET', about_key, 'r' .. user .. ' ' .. emoji)
  if (op == 'add') ~= (put ~= false) then return nil end
  return 'duplicate ' .. log.epoch .. ' ' .. (put or log.seq .. ' ' .. log.tag .. ' ' .. log.time_ms)
end

-- Takes the data away from a kept entry.
local function take_data(log, seq)
  local found = seq >= log.first and call('XRANGE', log.log_key, seq, seq)[1]
  if not found then return end
  local h, b = found[2][2], found[2][4]
  local head = string.match(b, '^[^\n]*\n')
  local h_without_cost, cost = string.match(h, '^(.* )(%d+)$')
  local data_bytes = #b - #head
  call('HSET', log.gone_key, seq, h_without_cost .. (cost - data_bytes) .. '\n' .. head)
  call('XDEL', log.log_key, seq .. '-0')
  log.gone, log.bytes = log.gone + 1, log.bytes - data_bytes
end

-- Does to the target what the new entry says about it.
local function heed(log, kind, user, target, about_key, reaction)
  local log_ms, head_ms = lives_ms(log)
  local seq = tonumber(string.match(target, ' (%d+) '))
  log.about, log.kept_changed = math.max(log.about, seq), true
  if kind == 'delete' then
    local edits = call('HGET', about_key, 'e') or ''
    for edit in string.gmatch(edits, '%d+') do take_data(log, tonumber(edit)) end
    take_data(log, seq)
    call('DEL', about_key)
    call('PEXPIRE', log.gone_key, log_ms)
    return
  end
  local op, emoji = string.match(reaction, '^(%a+) (.*)$')
  if kind == 'edit' then
    call('HSET', about_key, 'e', (call('HGET', about_key, 'e') or '') .. ' ' .. log.seq)
  elseif op == 'add' then
    call('HSET', about_key, 'r' .. user .. ' ' .. emoji, log.seq .. ' ' .. log.tag .. ' ' .. log.time_ms)
  else
    call('HDEL', about_key, 'r' .. user .. ' ' .. emoji)
  end
  call('PEXPIRE', about_key, head_ms)
end

-- The log of a room that has none yet, nor anything that is left of one.
local function new_log(room)
  call('UNLINK', room.log_key, room.gone_key)
  return {
    log_key = room.log_key, meta_key = room.meta_key, gone_key = room.gone_key,
    epoch = room.new_epoch, seq = 0, tag = '-', count = 0, time_ms = 0, bytes = 0, first = 1, before = '-', trimmed = 0,
    oldest_ms = 0, gone = 0, about = 0, fresh_ms = 0,
  }
end

-- Numbers an entry and puts it into the log and the frame; answers where and when.
local function append(room, terms, kind, tag, user, cost, origin, body)
  local log = room.log or new_log(room)
  room.log = log
  local prev = log.tag
  log.seq, log.tag, log.bytes = log.seq + 1, tag, log.bytes + cost
  if kind == 'message' then log.count = log.count + 1 end
  -- Times never go back within a log, though clocks may.
  if log.time_ms < now or not log.time_text then
    log.time_ms = math.max(log.time_ms, now)
    log.time_text = tostring(log.time_ms)
  end
  if log.first == log.seq then log.oldest_ms, log.kept_changed = log.time_ms, true end
  if log.limits ~= terms.limits then log.limits, log.fresh_ms, log.kept_changed = terms.limits, 0, true end

  local seq, time_ms, count = tostring(log.seq), log.time_text, tostring(log.count)
  local h = tag .. ' ' .. prev .. ' ' .. count .. ' ' .. time_ms .. ' '
  call('XADD', log.log_key, seq .. '-0', 'h', h .. cost, 'b', body)
  local frame = room.frame
  frame[#frame + 1] = log.epoch .. ' ' .. seq .. ' ' .. h .. origin .. '\n'
  frame[#frame + 1] = body
  if kind == 'message' and user ~= '' then
    local markers = room.markers
    markers[#markers + 1] = user
    markers[#markers + 1] = marker_text(log.epoch, seq, tag, count, time_ms)
  end
  return seq, time_ms
end

-- Trims, moves the markers of those who spoke, and tells the bus.
local function finish(room)
  local log = room.log
  if not room.frame[1] then
    if log and log.kept_changed then save(log) end
    return
  end
  trim(log, now)
  local is_stale = math.abs(now - log.fresh_ms) >= FRESH_MS
  if is_stale then log.fresh_ms, log.kept_changed = now, true end
  save(log)
  if room.markers[1] then set_markers(log, room.read_key, room.markers, now) end
  if is_stale then
    local log_ms, head_ms = lives_ms(log)
    call('PEXPIRE', room.log_key, log_ms)
    call('PEXPIRE', room.gone_key, log_ms)
    call('PEXPIRE', room.meta_key, head_ms)
    call('PEXPIRE', room.read_key, head_ms)
  end
  -- The log is the truth: what stands in it counts, though a server should forbid its being told.
  redis.pcall('SPUBLISH', room.channel, 'E' .. table.concat(room.frame))
end

local answers = {}
while ARGV[next_arg] do
  local number, kind, tag, user, keyed, told_ms, cost, origin, target, reaction, body =
    unpack(ARGV, next_arg, next_arg + MESSAGE_ARGS - 1)
  next_arg = next_arg + MESSAGE_ARGS
  local terms = terms_of[tonumber(number)]
  local room, slow_mode_ms = terms.room, terms.slow_mode_ms
  local is_member, is_slow = terms.authority == 'member', slow_mode_ms > 0 and user ~= '' and kind == 'message'
  local dedupe_key = keyed == '1' and take_key()
  local pace_key = is_slow and is_member and take_key()
  local about_key = target ~= '' and take_key()

  local answer = dedupe_key and room.log and earlier(room.log, dedupe_key)
  if not answer and room.has_standings and user ~= '' and terms.authority ~= 'server' then
    answer = forbidden(room, kind, user)
  end
  if not answer and (pace_key or told_ms ~= '') then answer = limited(slow_mode_ms, pace_key, told_ms) end
  if not answer and about_key then
    answer = hindered(room.log, terms, kind, user, target, about_key, reaction)
    -- A reaction of no effect spends its key all the same: a retry must not undo what came between.
    local duplicate = answer and string.match(answer, '^duplicate (.*)$')
    if duplicate and dedupe_key then use_key(dedupe_key, duplicate) end
  end
  if not answer then
    local seq, time_ms = append(room, terms, kind, tag, user, cost, origin, body)
    local epoch = room.log.epoch
    if about_key then heed(room.log, kind, user, target, about_key, reaction) end
    if pace_key then call('SET', pace_key, now, 'PX', slow_mode_ms + SHORT_SPARE_MS) end
    if dedupe_key then use_key(dedupe_key, epoch .. ' ' .. seq .. ' ' .. tag .. ' ' .. time_ms) end
    answer = 'appended ' .. seq .. ' ' .. time_ms .. ' ' .. epoch
  end
  answers[#answers + 1] = answer
end
for _, room in ipairs(rooms) do finish(room) end
return answers
