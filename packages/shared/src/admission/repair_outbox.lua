-- Compares the outbox of a shard and its number of waiting orders with the sales, and repairs both
-- if wanted. They differ if the keys of a sale were lost without a script of ours, such as by hand.
--
-- is_all  '1': the sales are all that may have batches, so their waiting orders are added up
-- The other KEYS: state and batch_times of each sale; the other ARGV are their ids
-- Out   {1, number of waiting orders that the shard had, number that its sales have, then the sales
--       that were in the outbox and have no batch}, or {0} if the outbox has a sale that the caller
--       did not name, and nothing was changed. If not `is_all`, both numbers are 0
local backlog_key, outbox_key = KEYS[1], KEYS[2]
local is_repair, is_all = ARGV[1] == '1', ARGV[2] == '1'
local FIXED_KEYS, FIXED_ARGV = 2, 2

local waiting, listed, empty = 0, 0, {}
for i = 1, #ARGV - FIXED_ARGV do
  local sale = ARGV[FIXED_ARGV + i]
  local state_key, times_key = KEYS[FIXED_KEYS + 2 * i - 1], KEYS[FIXED_KEYS + 2 * i]
  local waiting_here = tonumber(redis.call('HGET', state_key, 'backlog')) or 0
  waiting = waiting + waiting_here
  if redis.call('ZSCORE', outbox_key, sale) then
    listed = listed + 1
    -- The audit of a sale with waiting orders compares its batches with them.
    if waiting_here == 0 and redis.call('EXISTS', times_key) == 0 then empty[#empty + 1] = sale end
  end
end
local told = tonumber(redis.call('GET', backlog_key)) or 0
if is_all then
  if redis.call('ZCARD', outbox_key) > listed then return { 0 } end
  if is_repair and told ~= waiting then redis.call('SET', backlog_key, waiting) end
else
  told, waiting = 0, 0
end

local answer = { 1, told, waiting }
for _, sale in ipairs(empty) do
  if is_repair then redis.call('ZREM', outbox_key, sale) end
  answer[#answer + 1] = sale
end
return answer
