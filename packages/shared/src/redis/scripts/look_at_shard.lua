-- What warm-up has to know of a shard each round, at one instant: whether this Redis is another one or was emptied, and which sales are stopped.
--
-- KEYS  1 mark  2 stopped
-- ARGV  1 a mark that was never used before
-- Out   {history, mark, then the sales that are stopped}
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return { history_id(), redis.call('GET', KEYS[1]), unpack(redis.call('SMEMBERS', KEYS[2])) }
