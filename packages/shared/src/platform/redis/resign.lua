-- Gives up the lead of a service, so that another process can take it at once.
--
-- Out   1 if the caller led, else 0
local leader_key = KEYS[1]
local process = ARGV[1]

if redis.call('GET', leader_key) ~= process then return 0 end
return redis.call('DEL', leader_key)
