-- Puts a process's totals of buys by outcome in the place of those that it told before, which are lower. For statistics only.
--
-- KEYS  1 outcomes  2 state
-- ARGV  per outcome: field, total
-- Out   1, or 0 where Redis does not keep the sale
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
for arg = 1, #ARGV, 2 do
  local told = tonumber(redis.call('HGET', KEYS[1], ARGV[arg])) or 0
  if told < tonumber(ARGV[arg + 1]) then redis.call('HSET', KEYS[1], ARGV[arg], ARGV[arg + 1]) end
end
return 1
