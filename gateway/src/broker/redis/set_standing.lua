-- Changes how a user stands in a room.
--
-- KEYS    standing, meta
-- ARGV    user, which (ban or mute), until when in Unix ms; 0 ends it
-- Result  1
local SPARE_MS, LONGEST_MS = 600000, 10 ^ 12
local key, user, which, until_ms = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local now = now_ms()
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HSET', KEYS[2], 'standings', '1') end

local banned_until_ms, muted_until_ms = string.match(redis.call('HGET', key, user) or '0 0', '^(%d+) (%d+)$')
if which == 'ban' then banned_until_ms = until_ms else muted_until_ms = until_ms end
if banned_until_ms == '0' and muted_until_ms == '0' then
  redis.call('HDEL', key, user)
  return 1
end

local lives_ms = redis.call('PTTL', key)
local is_new = redis.call('HSET', key, user, banned_until_ms .. ' ' .. muted_until_ms) == 1
-- The key lives as long as the longest of its terms.
local wanted_ms = math.max(tonumber(until_ms) - now, 0) + SPARE_MS
if wanted_ms > LONGEST_MS then
  redis.call('PERSIST', key)
elseif lives_ms == -2 or (lives_ms >= 0 and lives_ms < wanted_ms) then
  redis.call('PEXPIRE', key, wanted_ms)
end
-- For each new user some others are looked at, so that what has ended does not pile up.
if is_new then
  local sample = redis.call('HRANDFIELD', key, 4, 'WITHVALUES')
  for index = 1, #sample, 2 do
    local banned, muted = standing(key, sample[index], now)
    if not banned and not muted then redis.call('HDEL', key, sample[index]) end
  end
end
return 1
