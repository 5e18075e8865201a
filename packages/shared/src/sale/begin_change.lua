-- Stops a sale while its facts are changed in the ledger, so that nobody reads old facts in a ready
-- sale after the change.
--
-- Out   {name of this history of Redis, now in ms, product version that was on sale, or 0 if the
--       sale was not ready}, or {''} if the lease is lost and nothing was changed
local lease_key, state_key, stopped_key = KEYS[1], KEYS[2], KEYS[3]
local lease, sale = ARGV[1], ARGV[2]

if not lease_is_mine(lease_key, lease) then return { '' } end
local state = redis.call('HMGET', state_key, 'ready', 'history_id', 'version')
local here = history_id()
local version = state[1] == '1' and state[2] == here and tonumber(state[3]) or 0
redis.call('HSET', state_key, 'ready', '0')
redis.call('SADD', stopped_key, sale)
return { here, math.floor(now_us() / 1000), version }
