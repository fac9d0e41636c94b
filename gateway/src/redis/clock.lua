-- The time of all scripts, Unix milliseconds by the server's clock: replicas need not agree about theirs.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
