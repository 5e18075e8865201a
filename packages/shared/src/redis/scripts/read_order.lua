-- What Redis knows of one order, at one instant.
--
-- KEYS  1 state  2 reservations  3 status
-- ARGV  1 order number
-- Out   {1 if the sale is ready under this Redis process, else 0; its reservation or false; its status or false}
local state = redis.call('HMGET', KEYS[1], 'ready', 'run_id')
local ready = state[1] == '1' and state[2] == run_id()
return { ready and 1 or 0, redis.call('HGET', KEYS[2], ARGV[1]), redis.call('GET', KEYS[3]) }
