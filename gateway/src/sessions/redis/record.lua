-- A session as it is stored: a line `secret created seen expires ends address`, and then what never changes, as JSON.
-- `secret` is the SHA-256 of the secret; the times are Unix milliseconds.

-- Garbage is collected later than what is in it has ended.
local SLACK_MS = 60000

local function read(record)
  local secret, created, seen, expires, ends, address, rest =
    string.match(record, '^(%x+) (%d+) (%d+) (%d+) (%d+) ([^\n]+)\n(.*)$')
  return {
    secret = secret, created = tonumber(created), seen = tonumber(seen), expires = tonumber(expires),
    ends = tonumber(ends), address = address, rest = rest,
  }
end

local function write(session)
  return string.format('%s %.0f %.0f %.0f %.0f %s\n%s', session.secret, session.created, session.seen, session.expires,
    session.ends, session.address, session.rest)
end

-- Stores a session that stands.
local function store(key, id, session, now)
  local record = write(session)
  redis.call('HSET', key, id, record)
  local ttl = session.expires - now + SLACK_MS
  if redis.call('PTTL', key) < ttl then
    redis.call('PEXPIRE', key, string.format('%.0f', ttl))
  end
  return record
end
