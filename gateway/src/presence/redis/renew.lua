-- Extends a replica's leases in some partitions, or begins new ones where they were lost.
--
-- KEYS: of each partition its leases and turns.
-- ARGV: 1 how long a lease stands, in milliseconds; then for each partition the incarnation, empty for none, the last
--       turn that was answered, and the incarnation to begin if the other has no lease any more, or if the store knows
--       fewer turns of it than were answered, as it then has lost some. Such a one was never sent before.
-- Answers the time, Unix milliseconds, and for each partition whether the incarnation goes on.

local now = now_ms()
local until_ms = string.format('%.0f', now + tonumber(ARGV[1]))
local answer = {now}
for number = 0, #KEYS / 2 - 1 do
  local leases, turns = KEYS[2 * number + 1], KEYS[2 * number + 2]
  local incarnation, answered, new = ARGV[3 * number + 2], tonumber(ARGV[3 * number + 3]), ARGV[3 * number + 4]
  local last = tonumber(redis.call('HGET', turns, incarnation) or 0)
  local goes_on = is_leased(leases, incarnation) and answered <= last
  redis.call('ZADD', leases, until_ms, goes_on and incarnation or new)
  answer[number + 2] = goes_on and 1 or 0
end
return answer
