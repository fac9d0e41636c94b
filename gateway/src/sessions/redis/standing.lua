-- How the user stands with the whole service.
--
-- KEYS    1 how the user stands: hash
-- Answer  revoked_before_s or nil · 1 if banned, else 0
local revoked, banned_until = unpack(redis.call('HMGET', KEYS[1], 'revoked_before_s', 'banned_until_ms'))
return {revoked, (banned_until and tonumber(banned_until) > now_ms()) and 1 or 0}
