-- Finds the leases of some partitions that ran out, and marks them so that they can neither be renewed nor declared
-- under any more.
--
-- KEYS: of each partition its leases and fence.
-- ARGV: 1 the sweeper's fence, 2 how long a lease stands, in milliseconds, 3 the longest time without an answer that is
--       no break, 4 the most leases of each partition; then for each partition the times, Unix milliseconds, since when
--       and when last the sweeper was answered there.
-- Answers for each partition the incarnations that are to be removed, those marked earlier among them; or nothing at
-- all, and does nothing, if a later sweeper was seen.
--
-- Who has been out of touch for longer than a break within the last lease cannot tell whether it was the others or he
-- who stood still, and finds nobody.

local fence, lease_ms, break_ms, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
for number = 2, #KEYS, 2 do
  if tonumber(redis.call('GET', KEYS[number]) or 0) > fence then
    return {}
  end
end
local now = now_ms()
local answer = {}
for number = 0, #KEYS / 2 - 1 do
  local leases, seen = KEYS[2 * number + 1], KEYS[2 * number + 2]
  local since, last = tonumber(ARGV[2 * number + 5]), tonumber(ARGV[2 * number + 6])
  if redis.call('GET', seen) ~= ARGV[1] then
    redis.call('SET', seen, ARGV[1])
  end
  local over = {}
  if last <= now and now - last < break_ms and now - since >= lease_ms then
    over = redis.call('ZRANGEBYSCORE', leases, '-inf', string.format('%.0f', now), 'LIMIT', 0, most)
    for _, incarnation in ipairs(over) do
      redis.call('ZADD', leases, -1, incarnation)
    end
  end
  answer[number + 1] = over
end
return answer
