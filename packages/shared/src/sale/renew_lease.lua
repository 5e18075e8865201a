-- Gives the lease its full life again.
--
-- Out   1 if renewed | 0 if lost
local lease_key = KEYS[1]
local lease, life_ms = ARGV[1], ARGV[2]

if not lease_is_mine(lease_key, lease) then return 0 end
return redis.call('PEXPIRE', lease_key, life_ms)
