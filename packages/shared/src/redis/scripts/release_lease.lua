-- Ends the lease, if it is still the caller's.
--
-- KEYS  1 lease  2 fence
-- ARGV  1 the lease  2 the fencing token of the ledger where it is known to be ahead, else '0'; the counter is raised to it
--       3 how long the counter is kept, ms
-- Out   1 if released, 0 if it was lost before
if not lease_is_mine(KEYS[1], ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
if tonumber(ARGV[2]) > (tonumber(redis.call('GET', KEYS[2])) or 0) then
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
end
return 1
