-- Finds a session and counts as a use of it. A use soon after the last one noted from the same address is not written.
--
-- KEYS    1 the user's sessions: hash, id → record
-- ARGV    1 id · 2 SHA-256 of the secret, or '' if it was shown before · 3 address · 4 sliding_ms
--         5 how long a use is not noted again, ms
-- Answer  record or nil
local record = redis.call('HGET', KEYS[1], ARGV[1])
if not record then return false end
local session = read(record)
if ARGV[2] ~= '' and ARGV[2] ~= session.secret then return false end
local now = now_ms()
if session.expires <= now then return false end
if session.address == ARGV[3] and now - session.seen < tonumber(ARGV[5]) then return record end
session.seen, session.address = now, ARGV[3]
session.expires = math.min(now + ARGV[4], session.ends)
return store(KEYS[1], ARGV[1], session, now)
