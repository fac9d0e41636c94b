-- Rate limits by GCRA. A question is answered yes, and all its charges count, or no, and none does. Many questions share
-- a call and are answered one after the other.
--
-- KEYS    one per subject, each named once. Value: when all that the subject was allowed is paid for, Unix microseconds,
--         rounded up. Absent where nothing is owed.
-- ARGV    for each question the number of its charges, and for each of these:
--         the number of its key in KEYS · what one costs, ns · what may be owed at most, ns · how many.
--         A negative number gives back what was taken before, and is never refused.
-- Answer  for each question two numbers: 0 and 0 if it counts, else which of its charges (from 1) waits longest, and how
--         many milliseconds.
local call, format, ceil = redis.call, string.format, math.ceil
local time = call('TIME')
local now_us = time[1] * 1000000 + time[2]

local owed_ns = call('MGET', unpack(KEYS))
for key = 1, #KEYS do
  owed_ns[key] = owed_ns[key] and math.max((owed_ns[key] - now_us) * 1000, 0) or 0
end

local answer, changed = {}, {}
-- What the question at hand has touched: its charges' keys, and what these owed before.
local keys, before, touched = {}, {}, {}
local at = 1
while at <= #ARGV do
  local question, charges, longest_ns, who = at, tonumber(ARGV[at]), 0, 0
  for charge = 1, charges do
    local key, burst_ns = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 3])
    local owing_ns = owed_ns[key]
    keys[charge], before[charge] = key, owing_ns
    -- Nobody owes more than a burst, unless the clock was set back or the quota was lowered: nobody is to wait for that.
    if touched[key] ~= question and owing_ns > burst_ns then owing_ns = burst_ns end
    touched[key] = question
    owing_ns = owing_ns + ARGV[at + 2] * ARGV[at + 4]
    owed_ns[key] = owing_ns
    if owing_ns - burst_ns > longest_ns then longest_ns, who = owing_ns - burst_ns, charge end
    at = at + 4
  end
  at = at + 1
  if who == 0 then
    for charge = 1, charges do changed[keys[charge]] = true end
  else
    for charge = charges, 1, -1 do owed_ns[keys[charge]] = before[charge] end
  end
  answer[#answer + 1] = who
  answer[#answer + 1] = ceil(longest_ns / 1000000)
end

for key in pairs(changed) do
  local owing_ns = owed_ns[key]
  if owing_ns > 0 then
    local paid = format('%.0f', now_us + ceil(owing_ns / 1000))
    call('SET', KEYS[key], paid, 'PX', format('%.0f', ceil(owing_ns / 1000000) + 1000))
  else
    call('DEL', KEYS[key])
  end
end
return answer
