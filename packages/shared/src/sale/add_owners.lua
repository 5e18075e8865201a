-- Adds owners to the rebuild in progress.
--
-- The other ARGV: user and entry of each owner, `order_no[:quantity]`
-- Out   1, or 0 if the lease is lost and nothing was changed
local lease_key, building_key = KEYS[1], KEYS[2]
local lease = ARGV[1]

if not lease_is_mine(lease_key, lease) then return 0 end
redis.call('HSET', building_key, unpack(ARGV, 2))
return 1
