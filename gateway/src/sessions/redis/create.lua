-- Makes a session, unless its user is banned or its credential was revoked: looking and making are one step.
--
-- KEYS    1 the user's sessions: hash, id → record · 2 how the user stands: hash
-- ARGV    1 id · 2 SHA-256 of the secret · 3 address · 4 what never changes, JSON · 5 sliding_ms · 6 absolute_ms
--         7 the credential's end, Unix ms, or '' · 8 when the credential was issued, Unix s, or '' · 9 most sessions
-- Answer  record or nil · revoked_before_s or nil · 1 if banned, else 0
local now = now_ms()
local revoked, banned_until = unpack(redis.call('HMGET', KEYS[2], 'revoked_before_s', 'banned_until_ms'))
local banned = banned_until and tonumber(banned_until) > now
if banned or (revoked and ARGV[8] ~= '' and tonumber(ARGV[8]) <= tonumber(revoked)) then
  return {false, revoked, banned and 1 or 0}
end

local ends = math.min(now + ARGV[6], ARGV[7] ~= '' and tonumber(ARGV[7]) or math.huge)
local session = {
  secret = ARGV[2], created = now, seen = now, expires = math.min(now + ARGV[5], ends), ends = ends,
  address = ARGV[3], rest = ARGV[4],
}
if session.expires <= now then
  -- Made from a credential that has run out: it has ended already.
  return {write(session), revoked, 0}
end

-- What has ended goes first; then, if there are too many, those that were not used for the longest time.
local standing = {}
local stored = redis.call('HGETALL', KEYS[1])
for i = 1, #stored, 2 do
  local other = read(stored[i + 1])
  if other.expires <= now then
    redis.call('HDEL', KEYS[1], stored[i])
  else
    other.id = stored[i]
    standing[#standing + 1] = other
  end
end
local surplus = #standing + 1 - ARGV[9]
if surplus > 0 then
  table.sort(standing, function(a, b)
    if a.seen ~= b.seen then return a.seen < b.seen end
    if a.created ~= b.created then return a.created < b.created end
    return a.id < b.id
  end)
  for i = 1, surplus do
    redis.call('HDEL', KEYS[1], standing[i].id)
  end
end
return {store(KEYS[1], ARGV[1], session, now), revoked, 0}
