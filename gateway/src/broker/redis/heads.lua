-- The heads of some logs of one partition.
--
-- KEYS    of each: log, meta, gone
-- Result  of each: epoch (empty where there is no log), seq, tag, count, first number that is kept
local now, heads = now_ms(), {}
for index = 1, #KEYS, 3 do
  local log = look(KEYS[index], KEYS[index + 1], KEYS[index + 2], now)
  local head = { '', 0, '', 0, 1 }
  if log then
    head = { log.epoch, log.seq, log.tag, log.count, log.first }
  end
  for _, word in ipairs(head) do heads[#heads + 1] = word end
end
return heads
