-- Makes the caller, or keeps it, the one process that runs a service of a shard now.
--
-- KEYS  1 service
-- ARGV  1 history  2 deadline, ms  3 name of the process  4 how long, ms
-- Out   1 if the caller leads | 0 | -1 too late
if is_late(ARGV[1], ARGV[2]) then return -1 end
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[3] then
  cap_life(KEYS[1], ARGV[4])
  return 0
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
