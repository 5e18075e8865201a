-- What the gate needs of a room in addition to `read_room`. Fixes the early line if the start has
-- come, notes who has bought since, and forgets passes that have ended.
--
-- pass_ms_max  no pass that begins now ends after this time; one that does is from before the clock
--              was set back
-- Out   {number of shoppers with a pass who have bought; orders in batches; 1 if an api process
--       sheds}
local state_key, room_key, entered_key, bought_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local owners_key, shedding_key = KEYS[5], KEYS[6]
local pass_ms_max = tonumber(ARGV[1])
local AT_ONCE = 1000
-- A call looks at this many shoppers with the latest passes, who buy about now, and at the same
-- number of others in turn. So its cost does not grow with the number of shoppers who entered. If a
-- buy is seen later, calls come later, but never too many.
local LOOKED_AT_MAX = 1000

local state = redis.call('HMGET', state_key, 'start_ms', 'backlog')
local now = math.floor(now_us() / 1000)
if now >= (tonumber(state[1]) or math.huge) and redis.call('HGET', room_key, 'drawn') == '0' then
  redis.call('HSET', room_key, 'drawn', '1')
end
local last_ms = now + pass_ms_max
for _, key in ipairs({ entered_key, bought_key }) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  for _, user in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. last_ms, '+inf', 'LIMIT', 0, AT_ONCE)) do
    redis.call('ZADD', key, last_ms, user)
  end
end

-- A shopper who has bought once does not count as inside again after the order is closed: the unit
-- is for the next shopper.
-- Looks at the entries from one rank to another. Returns how many it looked at, and how many of
-- them are gone.
local function look(from, to)
  local entered = redis.call('ZRANGE', entered_key, from, to, 'WITHSCORES')
  local users, passes, gone = {}, {}, {}
  for i = 1, #entered, 2 do users[#users + 1] = entered[i] end
  if #users > 0 then
    for i, owner in ipairs(redis.call('HMGET', owners_key, unpack(users))) do
      if owner then
        passes[#passes + 1], passes[#passes + 2], gone[#gone + 1] = entered[2 * i], users[i], users[i]
      end
    end
  end
  if #gone > 0 then
    redis.call('ZADD', bought_key, unpack(passes))
    redis.call('ZREM', entered_key, unpack(gone))
    local life_ms = math.ceil(passes[#passes - 1] - now)
    if redis.call('PTTL', bought_key) < life_ms then redis.call('PEXPIRE', bought_key, life_ms) end
  end
  return #users, #gone
end
look(-LOOKED_AT_MAX, -1)
local rank = tonumber(redis.call('HGET', room_key, 'entered_rank')) or 0
local others = redis.call('ZCARD', entered_key) - LOOKED_AT_MAX
if others > 0 then
  if rank >= others then rank = 0 end
  local looked_at, gone = look(rank, math.min(rank + LOOKED_AT_MAX, others) - 1)
  redis.call('HSET', room_key, 'entered_rank', rank + looked_at - gone)
end
return { redis.call('ZCARD', bought_key), tonumber(state[2]) or 0, redis.call('EXISTS', shedding_key) }
