-- What warm-up needs of a shard in each round, at one instant: its history and mark, which change
-- if this Redis is another server or was emptied, and the sales that are stopped.
--
-- new_mark  a unique name, stored if there is no mark
-- Out   {history, mark, then the sales that are stopped}
local mark_key, stopped_key = KEYS[1], KEYS[2]
local new_mark = ARGV[1]

-- The old value, if there is one.
local mark = redis.call('SET', mark_key, new_mark, 'NX', 'GET') or new_mark
local answer = { history_id(), mark }
-- Append one by one: unpack fails with some thousands of them.
for _, sale in ipairs(redis.call('SMEMBERS', stopped_key)) do answer[#answer + 1] = sale end
return answer
