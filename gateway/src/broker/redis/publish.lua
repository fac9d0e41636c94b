-- Appends to the logs of one partition and tells the bus, message by message in the order given, all in one step.
--
-- KEYS  of each room: log, meta, gone, read, standing; then of each message those that it has: its dedupe key, the
--       pace of its user, the about of its target. Besides, the about of messages that retention drops (same slot).
-- ARGV  rooms, forms, dedupe window in ms;
--       of each room: channel, epoch for a log that has none;
--       of each form of messages: authority (member, moderator, server), slow mode in ms, limits as in meta, kind
--       (message, edit, delete, reaction), whether there is a dedupe key (1), whether the rate limits told to wait (1);
--       of each message: number of its room and of its form, tag, user, cost in bytes, `connection request body_bytes`
--       with `-` for what there is not, body; then how many ms it was told to wait, if it was; then, if it is of
--       another kind than message, its target as `epoch seq tag`, and `add` or `remove` and emoji.
-- Result of each message: its number, `duplicate epoch seq tag time_ms`, `limited ms`, or one word: gone, not_author,
--       banned, muted; then of each room time in ms and epoch of what was appended.
--
-- One message on the bus for each room: E, and of each new entry its h, a space, `connection request body_bytes`, a
-- line break, and the body.
local ROOM_KEYS, ROOM_ARGS, FORM_ARGS, MESSAGE_ARGS = 5, 2, 6, 7
-- There are many dedupe keys and paces, so they do not live for much longer than they must.
local SHORT_SPARE_MS = 30000

local now = now_ms()
local rooms_count, forms_count, window_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local next_key, next_arg = rooms_count * ROOM_KEYS + 1, 4

local rooms, forms = {}, {}
for index = 1, rooms_count do
  local last_key = index * ROOM_KEYS
  local log_key, meta_key, gone_key, read_key, standing_key = unpack(KEYS, last_key - ROOM_KEYS + 1, last_key)
  local log = open(log_key, meta_key, gone_key, now)
  local has_standings
  if log then has_standings = log.has_standings else has_standings = call('EXISTS', standing_key) == 1 end
  rooms[tostring(index)] = {
    log_key = log_key, meta_key = meta_key, gone_key = gone_key, read_key = read_key, standing_key = standing_key,
    channel = ARGV[next_arg], new_epoch = ARGV[next_arg + 1], log = log, has_standings = has_standings,
    frame = { 'E' }, frame_size = 1, markers = {},
  }
  next_arg = next_arg + ROOM_ARGS
end
for index = 1, forms_count do
  local authority, slow_mode_ms, limits, kind, keyed, told = unpack(ARGV, next_arg, next_arg + FORM_ARGS - 1)
  local is_message, slow_ms = kind == 'message', tonumber(slow_mode_ms)
  forms[tostring(index)] = {
    authority = authority, limits = read_limits(limits), kind = kind, is_message = is_message, slow_mode_ms = slow_ms,
    is_keyed = keyed == '1', is_told = told == '1', is_paced = authority == 'member' and is_message and slow_ms > 0,
  }
  next_arg = next_arg + FORM_ARGS
end

local function take_key()
  next_key = next_key + 1
  return KEYS[next_key - 1]
end

-- What an earlier request was answered that left this under its key.
local function answer_of(log, left)
  local since_ms, pos = string.match(left, '^(%d+) (.*)$')
  if now - since_ms >= window_ms then return nil end
  local epoch, seq, tag = string.match(pos, '^(%w+) (%d+) (%w+) ')
  if relation(log, epoch, tonumber(seq), tag) == 'foreign' then return nil end
  return 'duplicate ' .. pos
end

-- From now on a key counts for `epoch seq tag time_ms`.
local function use_key(dedupe_key, first)
  call('SET', dedupe_key, format('%d %s', now, first), 'PX', window_ms + SHORT_SPARE_MS)
end

-- Uses a key for the entry that comes next, unless it stands for an earlier one: then it answers that.
local function use_key_once(log, dedupe_key, tag)
  local text = format('%d %s %d %s %d', now, log.epoch, log.seq + 1, tag, math.max(log.time_ms, now))
  local left = call('SET', dedupe_key, text, 'NX', 'GET', 'PX', window_ms + SHORT_SPARE_MS)
  if not left then return nil end
  local answer = answer_of(log, left)
  if not answer then call('SET', dedupe_key, text, 'PX', window_ms + SHORT_SPARE_MS) end
  return answer
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
  if wait_ms <= 0 and not told_ms then return nil end
  return 'limited ' .. math.max(wait_ms, tonumber(told_ms or 0))
end

-- What the target says against an entry: that it is no kept message, that it is of somebody else, or that a reaction
-- would change nothing.
local function hindered(log, authority, kind, user, target, about_key, reaction)
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
    return not is_own and authority == 'member' and 'not_author' or nil
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
  local before, cost, sum = string.match(h, '^(.* )(%d+) (%d+)$')
  local data_bytes = #b - #head
  call('HSET', log.gone_key, seq, before .. (cost - data_bytes) .. ' ' .. sum .. '\n' .. head)
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
  if room.has_standings then call('HSET', room.meta_key, 'standings', 1) end
  return {
    log_key = room.log_key, meta_key = room.meta_key, gone_key = room.gone_key,
    epoch = room.new_epoch, seq = 0, tag = '-', count = 0, time_ms = 0, bytes = 0, sum = 0, first = 1, before = '-',
    trimmed = 0, oldest_ms = 0, gone = 0, about = 0, fresh_ms = 0,
  }
end

-- Numbers an entry and puts it into the log and the frame; answers its number.
local function append(room, form, tag, user, cost, origin, body)
  local log = room.log or new_log(room)
  room.log = log
  local prev, seq = log.tag, log.seq + 1
  log.seq, log.tag, log.bytes, log.sum = seq, tag, log.bytes + cost, log.sum + cost
  if form.is_message then log.count = log.count + 1 end
  -- Times never go back within a log, though clocks may.
  if log.time_ms < now then log.time_ms = now end
  if log.first == seq then log.oldest_ms, log.kept_changed = log.time_ms, true end
  if log.limits ~= form.limits then log.limits, log.fresh_ms, log.kept_changed = form.limits, 0, true end

  local marker = marker_text(log.epoch, seq, tag, log.count, log.time_ms)
  local h = format('%s %s %s %d', marker, prev, cost, log.sum)
  call('XADD', log.log_key, format('%d-0', seq), 'h', h, 'b', body)
  local frame, size = room.frame, room.frame_size
  frame[size + 1], frame[size + 2], frame[size + 3], frame[size + 4], frame[size + 5] = h, ' ', origin, '\n', body
  room.frame_size = size + 5
  if form.is_message and user ~= '' then
    local markers = room.markers
    local last = #markers
    markers[last + 1], markers[last + 2] = user, marker
  end
  return seq
end

-- Trims, moves the markers of those who spoke, and tells the bus.
local function finish(room)
  local log = room.log
  if room.frame_size == 1 then
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
  redis.pcall('SPUBLISH', room.channel, table.concat(room.frame))
end

-- What stands against a message, its key apart; nothing where it may be appended.
local function refused(room, form, user, told_ms, pace_key, target, about_key, reaction)
  local is_watched = room.has_standings and user ~= '' and form.authority ~= 'server'
  local answer = is_watched and forbidden(room, form.kind, user) or nil
  if not answer and (pace_key or form.is_told) then answer = limited(form.slow_mode_ms, pace_key, told_ms) end
  if not answer and about_key then
    answer = hindered(room.log, form.authority, form.kind, user, target, about_key, reaction)
  end
  return answer
end

local answers = {}
while ARGV[next_arg] do
  local room_number, form_number, tag, user, cost, origin, body = unpack(ARGV, next_arg, next_arg + MESSAGE_ARGS - 1)
  next_arg = next_arg + MESSAGE_ARGS
  local room, form = rooms[room_number], forms[form_number]
  local dedupe_key = form.is_keyed and take_key()
  local pace_key = form.is_paced and user ~= '' and take_key()
  local told_ms, target, reaction, about_key
  if form.is_told then told_ms, next_arg = ARGV[next_arg], next_arg + 1 end
  if not form.is_message then
    target, reaction, about_key, next_arg = ARGV[next_arg], ARGV[next_arg + 1], take_key(), next_arg + 2
  end

  local log, answer, is_key_used = room.log, nil, false
  local may_be_refused = room.has_standings or form.is_told or pace_key or about_key
  if dedupe_key and log and not may_be_refused then
    answer, is_key_used = use_key_once(log, dedupe_key, tag), true
  elseif dedupe_key and log then
    local left = call('GET', dedupe_key)
    answer = left and answer_of(log, left)
  end
  if not answer and may_be_refused then
    answer = refused(room, form, user, told_ms, pace_key, target, about_key, reaction)
    -- A reaction of no effect spends its key all the same: a retry must not undo what came between.
    local duplicate = answer and string.match(answer, '^duplicate (.*)$')
    if duplicate and dedupe_key then use_key(dedupe_key, duplicate) end
  end
  if not answer then
    answer = append(room, form, tag, user, cost, origin, body)
    log = room.log
    if about_key then heed(log, form.kind, user, target, about_key, reaction) end
    if pace_key then call('SET', pace_key, now, 'PX', form.slow_mode_ms + SHORT_SPARE_MS) end
    if dedupe_key and not is_key_used then
      use_key(dedupe_key, format('%s %d %s %d', log.epoch, answer, tag, log.time_ms))
    end
  end
  answers[#answers + 1] = answer
end
for index = 1, rooms_count do
  local room = rooms[tostring(index)]
  finish(room)
  answers[#answers + 1] = room.log and room.log.time_ms or 0
  answers[#answers + 1] = room.log and room.log.epoch or ''
end
return answers
