-- Stops the sale and deletes what an earlier rebuild left.
--
-- Out   the name of this history of Redis, or '' if the lease is lost and nothing was changed
local lease_key, state_key, building_key, stopped_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local lease, sale = ARGV[1], ARGV[2]

if not lease_is_mine(lease_key, lease) then return '' end
redis.call('HSET', state_key, 'ready', '0')
redis.call('SADD', stopped_key, sale)
redis.call('UNLINK', building_key)
return history_id()
