-- Replaces the totals of buys by outcome that a process reported before. A total never goes down.
-- For statistics only.
--
-- ARGV: field and total of each outcome
-- Out   1, or 0 if Redis does not keep the sale
local outcomes_key, state_key = KEYS[1], KEYS[2]

if redis.call('EXISTS', state_key) == 0 then return 0 end
for arg = 1, #ARGV, 2 do
  local told = tonumber(redis.call('HGET', outcomes_key, ARGV[arg])) or 0
  if told < tonumber(ARGV[arg + 1]) then redis.call('HSET', outcomes_key, ARGV[arg], ARGV[arg + 1]) end
end
return 1
