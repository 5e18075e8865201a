-- Compares the outbox of a shard and its number of waiting orders with the sales, and repairs both
-- if wanted. They differ if the keys of a sale were lost without a script of ours, such as by hand.
-- With 10,000 sales that all have waiting orders it takes Redis about 30 ms.
--
-- The other KEYS: state and batch_times of each sale; the other ARGV are their ids
-- Out   {1, number of waiting orders that the shard had, number that its sales have, then the sales
--       that were in the outbox and have no batch}, or {0} if the outbox has a sale that the caller
--       did not name, and nothing was changed
local backlog_key, outbox_key = KEYS[1], KEYS[2]
local is_repair = ARGV[1] == '1'
local FIXED_KEYS, FIXED_ARGV = 2, 1

local index_of = {}
for i = 1, #ARGV - FIXED_ARGV do index_of[ARGV[FIXED_ARGV + i]] = i end
local outbox = redis.call('ZRANGE', outbox_key, 0, -1)
for _, sale in ipairs(outbox) do
  if not index_of[sale] then return { 0 } end
end

local told, waiting = tonumber(redis.call('GET', backlog_key)) or 0, 0
local waiting_of = {}
for i = 1, #ARGV - FIXED_ARGV do
  waiting_of[i] = tonumber(redis.call('HGET', KEYS[FIXED_KEYS + 2 * i - 1], 'backlog')) or 0
  waiting = waiting + waiting_of[i]
end
if is_repair and told ~= waiting then redis.call('SET', backlog_key, waiting) end
local answer = { 1, told, waiting }
for _, sale in ipairs(outbox) do
  local i = index_of[sale]
  -- The audit of a sale with waiting orders compares its batches with them.
  if waiting_of[i] == 0 and redis.call('EXISTS', KEYS[FIXED_KEYS + 2 * i]) == 0 then
    if is_repair then redis.call('ZREM', outbox_key, sale) end
    answer[#answer + 1] = sale
  end
end
return answer
