-- Rate limits by GCRA: all charges count, or none does.
--
-- KEYS    one of each charge; a subject may have several. Value: when all that the subject was allowed is paid for, Unix
--         microseconds, rounded up. Absent where nothing is owed.
-- ARGV    of each charge: what one costs, ns · what may be owed at most, ns · how many. A negative number gives back what
--         was taken before, and is never refused.
-- Answer  two numbers: 0 and 0 if they count, else which of the charges (from 1) waits longest, and how many milliseconds
local call, format, ceil = redis.call, string.format, math.ceil
local time = call('TIME')
local now_us = time[1] * 1000000 + time[2]

local paid_us, owed_ns = call('MGET', unpack(KEYS)), {}
local longest_ns, who = 0, 0
for charge, key in ipairs(KEYS) do
  local burst_ns = tonumber(ARGV[3 * charge - 1])
  local owing_ns = owed_ns[key]
  if not owing_ns then
    -- Nobody owes more than a burst, unless the clock was set back or the quota was lowered: nobody is to wait for that.
    local paid = paid_us[charge]
    owing_ns = paid and math.min(math.max((paid - now_us) * 1000, 0), burst_ns) or 0
  end
  owing_ns = owing_ns + ARGV[3 * charge - 2] * ARGV[3 * charge]
  owed_ns[key] = owing_ns
  if owing_ns - burst_ns > longest_ns then longest_ns, who = owing_ns - burst_ns, charge end
end
if who > 0 then return { who, ceil(longest_ns / 1000000) } end

for key, owing_ns in pairs(owed_ns) do
  if owing_ns > 0 then
    local paid = format('%.0f', now_us + ceil(owing_ns / 1000))
    call('SET', key, paid, 'PX', format('%.0f', ceil(owing_ns / 1000000) + 1000))
  else
    call('DEL', key)
  end
end
return { 0, 0 }
