-- The memory that the Redis of a shard uses, and its limit.
--
-- KEYS[1] is any key of the shard: it routes the call and is not read.
-- Out   {used, maxmemory}, bytes; maxmemory is 0 if there is no limit
local info = redis.call('INFO', 'memory')
return { tonumber(string.match(info, 'used_memory:(%d+)')), tonumber(string.match(info, 'maxmemory:(%d+)')) }
