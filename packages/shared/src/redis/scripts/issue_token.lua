-- Records a seckill token for a shopper; gives back the recorded one while it lives and is not consumed.
--
-- KEYS  1 state  2 seckill token  3 live tokens of the sale  4 the challenge that was solved for it, where one was needed
-- ARGV  1 history  2 deadline, ms  3 user  4 the new token  5 its life, ms  6 a recorded token that the caller cannot verify any more
--       ('' where none)  7 live tokens that the sale may have per unit (0: no limit)  8 how long a spent challenge is remembered, ms
-- Out   the shopper's token | 'late' (nothing was changed: run after a buy it would revive the token that the buy consumed) | 'not_ready' | 'ended' | 'challenge_required' (spent) | 'tokens_exhausted'
local EXPIRED_REMOVED_MAX = 100
local challenge, user, token, life = KEYS[4], ARGV[3], ARGV[4], tonumber(ARGV[5])

if is_late(ARGV[1], ARGV[2]) then return 'late' end

local state = redis.call('HMGET', KEYS[1], 'ready', 'history_id', 'end_ms', 'total')
if state[1] ~= '1' or state[2] ~= ARGV[1] then return 'not_ready' end
local now = math.floor(now_us() / 1000)
if now >= tonumber(state[3]) then return 'ended' end

-- Before the challenge: whoever did not hear the answer sends the same solution again.
local recorded = redis.call('GET', KEYS[2])
if recorded and string.sub(recorded, 1, 1) ~= '#' and recorded ~= ARGV[6] then return recorded end
if challenge and redis.call('EXISTS', challenge) == 1 then return 'challenge_required' end

local limit = tonumber(ARGV[7]) * state[4]
if limit > 0 then
  local expired = redis.call('ZCOUNT', KEYS[3], '-inf', now)
  local live = redis.call('ZCARD', KEYS[3]) - expired
  if (tonumber(redis.call('ZSCORE', KEYS[3], user)) or 0) > now then live = live - 1 end
  if live >= limit then return 'tokens_exhausted' end
  -- Expired ones are not counted, so it does not matter that some of them stay for the next call.
  if expired > 0 then redis.call('ZREMRANGEBYRANK', KEYS[3], 0, math.min(expired, EXPIRED_REMOVED_MAX) - 1) end
  redis.call('ZADD', KEYS[3], now + life, user)
  if redis.call('PTTL', KEYS[3]) < life then redis.call('PEXPIRE', KEYS[3], life) end
end

redis.call('SET', KEYS[2], token, 'PX', life)
if challenge then redis.call('SET', challenge, '', 'PX', ARGV[8]) end
return token
