-- Adds owners to the rebuild that is under way.
--
-- KEYS  1 lease  2 building
-- ARGV  1 the lease, then per owner: user, order number
-- Out   1, or 0 where the lease is lost and nothing was changed
if not lease_is_mine(KEYS[1], ARGV[1]) then return 0 end
redis.call('HSET', KEYS[2], unpack(ARGV, 2))
return 1
