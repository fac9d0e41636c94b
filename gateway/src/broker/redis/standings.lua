-- Bans and mutes; a fragment of the scripts that know them.
--
-- standing  hash; user → `banned_until_ms muted_until_ms`, 0 for not at all

-- Whether a user is banned, and muted.
local function standing(standing_key, user, now)
  local text = redis.call('HGET', standing_key, user)
  if not text then return false, false end
  local banned_until_ms, muted_until_ms = string.match(text, '^(%d+) (%d+)$')
  return now < tonumber(banned_until_ms), now < tonumber(muted_until_ms)
end
