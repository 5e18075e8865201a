-- Notes called shoppers who ask for a seckill token, until their passes end. Safe to run late: the
-- key expires with its last pass.
--
-- passes  pairs of the end of a pass (ms) and its shopper
local entered_key = KEYS[1]
local last_ms = ARGV[1]
local FIRST_PASS = 2

local left_ms = math.ceil(tonumber(last_ms) - now_us() / 1000)
-- All passes have ended. A key that is created now would have no TTL.
if left_ms <= 0 then return 1 end
redis.call('ZADD', entered_key, unpack(ARGV, FIRST_PASS))
if redis.call('PTTL', entered_key) < left_ms then redis.call('PEXPIRE', entered_key, left_ms) end
return 1
