-- Records a seckill token for a shopper; gives back the recorded one while it lives and is not consumed.
--
-- KEYS  1 state  2 seckill token
-- ARGV  1 the new token  2 its life, ms  3 a recorded token that the caller cannot verify any more ('' where none)
-- Out   the shopper's token | 'not_ready' | 'ended'
local state = redis.call('HMGET', KEYS[1], 'ready', 'run_id', 'end_ms')
if state[1] ~= '1' or state[2] ~= run_id() then return 'not_ready' end
if now_us() / 1000 >= tonumber(state[3]) then return 'ended' end

local recorded = redis.call('GET', KEYS[2])
if recorded and string.sub(recorded, 1, 1) ~= '#' and recorded ~= ARGV[3] then return recorded end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
