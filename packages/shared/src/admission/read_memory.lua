-- How much memory the Redis of a shard uses and may use.
--
-- KEYS[1] is any key: it routes the call to the shard and is not read.
-- Out   {used, maxmemory}, bytes; maxmemory is 0 where there is no limit
local info = redis.call('INFO', 'memory')
return { tonumber(string.match(info, 'used_memory:(%d+)')), tonumber(string.match(info, 'maxmemory:(%d+)')) }
