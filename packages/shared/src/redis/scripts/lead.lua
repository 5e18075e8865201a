-- Makes the caller, or keeps it, the one process that runs a service of a shard now.
--
-- KEYS  1 service
-- ARGV  1 name of the process  2 how long, ms
-- Out   1 if the caller leads, else 0
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
