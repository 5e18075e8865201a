-- Stops a sale while its facts are changed in the ledger, so that no reading of a ready sale finds old facts beside new ones.
--
-- KEYS  1 lease  2 state  3 stopped sales of the shard
-- ARGV  1 the lease  2 sale
-- Out   {name of this history of Redis, now in ms, product version that was on sale, or 0 where the sale was not ready},
--       or {''} where the lease is lost and nothing was changed
if not lease_is_mine(KEYS[1], ARGV[1]) then return { '' } end
local state = redis.call('HMGET', KEYS[2], 'ready', 'history_id', 'version')
local here = history_id()
local version = state[1] == '1' and state[2] == here and tonumber(state[3]) or 0
redis.call('HSET', KEYS[2], 'ready', '0')
redis.call('SADD', KEYS[3], ARGV[2])
return { here, math.floor(now_us() / 1000), version }
