-- Gives the lease its full life again.
--
-- KEYS  1 lease
-- ARGV  1 the lease  2 life, ms
-- Out   1 renewed | 0 lost
if not lease_is_mine(KEYS[1], ARGV[1]) then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
