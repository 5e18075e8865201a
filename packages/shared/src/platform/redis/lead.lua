-- Takes or keeps the lead of a service of a shard for the calling process.
--
-- Out   1 if the caller leads | 0 if another process leads | -1 if it is too late
local leader_key = KEYS[1]
local history, deadline_ms, process, life_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if is_late(history, deadline_ms) then return -1 end
local leader = redis.call('GET', leader_key)
if leader and leader ~= process then
  cap_life(leader_key, life_ms)
  return 0
end
redis.call('SET', leader_key, process, 'PX', life_ms)
return 1
