-- Read markers; a fragment of the scripts that know them, after room.lua.
--
-- read  hash; user → `epoch seq tag count moved_ms`

-- What a marker at a position is written as.
local function marker_text(epoch, seq, tag, count, now)
  return format('%s %d %s %d %d', epoch, seq, tag, count, now)
end

-- Where a user's marker stands, and the messages up to it. One of a log that is gone moves to the head for good, so
-- that what comes after is unread again.
local function marker(log, read_key, user, now)
  local text = call('HGET', read_key, user)
  if not text then return '', 0, '', 0 end
  local epoch, seq, tag, count = string.match(text, '^(%w+) (%d+) (%w+) (%d+) ')
  seq, count = tonumber(seq), tonumber(count)
  if relation(log, epoch, seq, tag) ~= 'foreign' then return epoch, seq, tag, count end
  call('HSET', read_key, user, marker_text(log.epoch, log.seq, log.tag, log.count, now))
  return log.epoch, log.seq, log.tag, log.count
end

-- Writes markers down: user and text in turn. For each new user some others are looked at: a marker that has not moved
-- for long and stands before everything that is kept is dropped, as without it as much is unread as with it.
local function set_markers(log, read_key, users_and_texts, now)
  local new = call('HSET', read_key, unpack(users_and_texts))
  if new == 0 then return end
  local sample = call('HRANDFIELD', read_key, math.min(4 * new, 64), 'WITHVALUES')
  for index = 1, #sample, 2 do
    local epoch, seq, moved_ms = string.match(sample[index + 1], '^(%w+) (%d+) %w+ %d+ (%d+)$')
    local is_passed = epoch ~= log.epoch or tonumber(seq) < log.first
    if is_passed and now - moved_ms >= HEAD_KEPT_MS then call('HDEL', read_key, sample[index]) end
  end
  local _, head_ms = lives_ms(log)
  call('PEXPIRE', read_key, head_ms)
end
