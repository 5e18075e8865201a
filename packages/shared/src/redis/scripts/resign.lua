-- Lets another process lead a service at once.
--
-- KEYS  1 service
-- ARGV  1 name of the process
-- Out   1 if the caller led, else 0
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
