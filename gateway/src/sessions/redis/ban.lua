-- Bans the user from the whole service, or lets the user in again.
--
-- KEYS    1 how the user stands: hash
-- ARGV    1 until when, Unix ms; '' lets the user in
if ARGV[1] == '' then return redis.call('HDEL', KEYS[1], 'banned_until_ms') end
redis.call('HSET', KEYS[1], 'banned_until_ms', ARGV[1])
local ttl = math.max(ARGV[1] - now_ms(), 0) + 60000
-- A revocation is kept for good, and so is a ban without an end, of which Redis can count no time to live.
if redis.call('HEXISTS', KEYS[1], 'revoked_before_s') == 1 or ttl > 1e15 then
  return redis.call('PERSIST', KEYS[1])
end
return redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ttl))
