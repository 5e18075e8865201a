-- Records a seckill token for a shopper. If a recorded one is live and not consumed, returns that
-- one.
--
-- challenge          the key of the solved challenge, nil if none was needed
-- replaced           a recorded token that the caller cannot verify any more, or ''
-- tokens_per_unit    maximum number of live tokens per unit of the sale; 0: no limit
-- challenge_life_ms  how long a spent challenge is remembered
-- Out   the shopper's token | 'late' (nothing was changed: after a buy, this call would restore the
--       token that the buy consumed) | 'not_ready' | 'ended' | 'challenge_required' (it was used
--       before) | 'tokens_exhausted'
local state_key, token_key, live_tokens_key, challenge = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local history, deadline_ms, user, token, life_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local replaced, tokens_per_unit, challenge_life_ms = ARGV[6], ARGV[7], ARGV[8]
local EXPIRED_REMOVED_MAX = 100

if is_late(history, deadline_ms) then return 'late' end

local state = redis.call('HMGET', state_key, 'ready', 'history_id', 'end_ms', 'total')
if state[1] ~= '1' or state[2] ~= history then return 'not_ready' end
local now = math.floor(now_us() / 1000)
if now >= tonumber(state[3]) then return 'ended' end

-- Check this before the challenge: a shopper who missed the answer sends the same solution again.
local recorded = redis.call('GET', token_key)
if recorded and string.sub(recorded, 1, 1) ~= '#' and recorded ~= replaced then return recorded end
if challenge and redis.call('EXISTS', challenge) == 1 then return 'challenge_required' end

local limit = tonumber(tokens_per_unit) * state[4]
if limit > 0 then
  local expired = redis.call('ZCOUNT', live_tokens_key, '-inf', now)
  local live = redis.call('ZCARD', live_tokens_key) - expired
  if (tonumber(redis.call('ZSCORE', live_tokens_key, user)) or 0) > now then live = live - 1 end
  if live >= limit then return 'tokens_exhausted' end
  -- Expired tokens are not counted, so some of them may stay until the next call.
  if expired > 0 then redis.call('ZREMRANGEBYRANK', live_tokens_key, 0, math.min(expired, EXPIRED_REMOVED_MAX) - 1) end
  redis.call('ZADD', live_tokens_key, now + life_ms, user)
  if redis.call('PTTL', live_tokens_key) < life_ms then redis.call('PEXPIRE', live_tokens_key, life_ms) end
end

redis.call('SET', token_key, token, 'PX', life_ms)
if challenge then redis.call('SET', challenge, '', 'PX', challenge_life_ms) end
return token
