-- What warm-up has to know of a shard each round, at one instant: whether this Redis is another one or was emptied, and which sales are stopped.
--
-- new_mark  was never used before
-- Out   {history, mark, then the sales that are stopped}
local mark_key, stopped_key = KEYS[1], KEYS[2]
local new_mark = ARGV[1]

redis.call('SET', mark_key, new_mark, 'NX')
local answer = { history_id(), redis.call('GET', mark_key) }
-- One by one: unpack fails at some thousands of them.
for _, sale in ipairs(redis.call('SMEMBERS', stopped_key)) do answer[#answer + 1] = sale end
return answer
