-- How a user stands in a room.
--
-- KEYS    standing
-- ARGV    user
-- Result  1 where banned, 1 where muted
local banned, muted = standing(KEYS[1], ARGV[1], now_ms())
return { banned and 1 or 0, muted and 1 or 0 }
