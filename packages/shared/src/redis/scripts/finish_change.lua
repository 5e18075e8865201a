-- Opens a sale that `begin_change` has stopped, with its changed facts, in one step. Nobody has moved a unit meanwhile: nothing is
-- admitted to a stopped sale, and nothing given back without the lease. Safe to run twice: the second run finds the sale open.
--
-- KEYS  1 lease  2 state  3 stopped sales of the shard
-- ARGV  1 the lease  2 history in which the sale was stopped  3 product version before  4 product version now  5 units more  6 end, ms  7 sale
-- Out   1, or 0 where the sale has to be rebuilt instead, and nothing was changed
if not lease_is_mine(KEYS[1], ARGV[1]) or history_id() ~= ARGV[2] then return 0 end
local state = redis.call('HMGET', KEYS[2], 'ready', 'version')
if state[1] == '1' and state[2] == ARGV[4] then return 1 end
if state[1] ~= '0' or state[2] ~= ARGV[3] then return 0 end

redis.call('HINCRBY', KEYS[2], 'total', ARGV[5])
redis.call('HINCRBY', KEYS[2], 'available', ARGV[5])
redis.call('HSET', KEYS[2], 'ready', '1', 'version', ARGV[4], 'end_ms', ARGV[6])
redis.call('SREM', KEYS[3], ARGV[7])
return 1
