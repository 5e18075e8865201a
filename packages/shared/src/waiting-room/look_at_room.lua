-- What the gate needs of a room in addition to `read_room`. Fixes the early line if the start has
-- come, and forgets who entered with a pass that has ended.
--
-- pass_ms_max  no pass that begins now ends after this time; one that does is from before the clock
--              was set back
-- Out   {number of those with a pass who have bought; orders in batches; 1 if an api process sheds}
local state_key, room_key, entered_key = KEYS[1], KEYS[2], KEYS[3]
local owners_key, shedding_key = KEYS[4], KEYS[5]
local pass_ms_max = tonumber(ARGV[1])
local AT_ONCE = 1000

local state = redis.call('HMGET', state_key, 'start_ms', 'backlog')
local now = math.floor(now_us() / 1000)
if now >= (tonumber(state[1]) or math.huge) and redis.call('HGET', room_key, 'drawn') == '0' then
  redis.call('HSET', room_key, 'drawn', '1')
end
redis.call('ZREMRANGEBYSCORE', entered_key, '-inf', now)
local last_ms = now + pass_ms_max
for _, user in ipairs(redis.call('ZRANGEBYSCORE', entered_key, '(' .. last_ms, '+inf', 'LIMIT', 0, AT_ONCE)) do
  redis.call('ZADD', entered_key, last_ms, user)
end
local bought = 0
for from = 0, redis.call('ZCARD', entered_key) - 1, AT_ONCE do
  local users = redis.call('ZRANGE', entered_key, from, from + AT_ONCE - 1)
  for _, owner in ipairs(redis.call('HMGET', owners_key, unpack(users))) do
    if owner then bought = bought + 1 end
  end
end
return { bought, tonumber(state[2]) or 0, redis.call('EXISTS', shedding_key) }
