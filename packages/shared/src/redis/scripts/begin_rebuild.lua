-- Stops the sale and drops what an earlier rebuild left behind.
--
-- KEYS  1 lease  2 state  3 building  4 stopped sales of the shard
-- ARGV  1 the lease  2 sale
-- Out   the name of this history of Redis, or '' where the lease is lost and nothing was changed
if not lease_is_mine(KEYS[1], ARGV[1]) then return '' end
redis.call('HSET', KEYS[2], 'ready', '0')
redis.call('SADD', KEYS[4], ARGV[2])
redis.call('UNLINK', KEYS[3])
return history_id()
