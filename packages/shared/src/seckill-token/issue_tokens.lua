-- Records seckill tokens for a batch of shoppers of one sale, in order. A shopper whose recorded
-- token is live keeps that one; a buy deletes the token that it consumes. Each item sees the effects of the items before it.
--
-- history          the history of Redis in which the caller learned the time
-- deadline_ms      by this Redis's clock
-- life_ms          how long a token lives
-- tokens_per_unit  maximum number of live tokens per unit of the sale; 0: no limit
-- batch            JSON. `users` and `tokens`: a list each. `replaced`: item → a recorded token that
--                  the caller cannot verify any more. `challenges`: item → how long its solved
--                  challenge is remembered as spent, ms
-- The other KEYS: the seckill token of each item, then the challenges, in the order of the items
-- Out   one string with a word per item: '+' (its token is recorded) | the token that the shopper
--       had | 'not_ready' | 'ended' | 'challenge_required' (it was used before) |
--       'tokens_exhausted'. Or 'late' alone (nothing was changed: after a buy, this call would
--       restore the token that the buy consumed)
local state_key, live_tokens_key = KEYS[1], KEYS[2]
local history, deadline_ms, life_ms, tokens_per_unit = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local batch = cjson.decode(ARGV[5])
local FIXED_KEYS = 2
-- A call removes at most so many expired tokens from the set of live ones.
local EXPIRED_REMOVED_MAX = 1000

if is_late(history, deadline_ms) then return 'late' end

local users, tokens = batch.users, batch.tokens
local count = #users
local state = redis.call('HMGET', state_key, 'ready', 'history_id', 'end_ms', 'total')
local now = math.floor(now_us() / 1000)

-- The reason why no token can be issued now, or nil.
local function refusal_of_state()
  if state[1] ~= '1' or state[2] ~= history then return 'not_ready' end
  if now >= tonumber(state[3]) then return 'ended' end
  return nil
end
local state_refusal = refusal_of_state()

-- Read everything at once. The items update these maps, so that later items see earlier ones.
local token_of, challenge_of, is_spent = {}, {}, {}
for i, token in ipairs(redis.call('MGET', unpack(KEYS, FIXED_KEYS + 1, FIXED_KEYS + count))) do
  token_of[users[i]] = token
end
local next_challenge = FIXED_KEYS + count + 1
for i = 1, count do
  if batch.challenges[tostring(i)] then
    challenge_of[i] = KEYS[next_challenge]
    is_spent[challenge_of[i]] = redis.call('EXISTS', challenge_of[i]) == 1
    next_challenge = next_challenge + 1
  end
end

local limit = tokens_per_unit * (tonumber(state[4]) or 0)
local live, expired, is_holder = 0, 0, {}
if limit > 0 then
  expired = redis.call('ZCOUNT', live_tokens_key, '-inf', now)
  live = redis.call('ZCARD', live_tokens_key) - expired
  for i, expiry in ipairs(redis.call('ZMSCORE', live_tokens_key, unpack(users))) do
    is_holder[users[i]] = (tonumber(expiry) or 0) > now
  end
end

local new_tokens, new_holders = {}, {}

local function decide(i)
  if state_refusal then return state_refusal end
  local user, token, challenge = users[i], tokens[i], challenge_of[i]
  local recorded = token_of[user]
  -- Check this before the challenge: a shopper who missed the answer sends the same solution again.
  if recorded and recorded ~= batch.replaced[tostring(i)] then
    return recorded == token and '+' or recorded
  end
  if challenge and is_spent[challenge] then return 'challenge_required' end
  if limit > 0 then
    if live - (is_holder[user] and 1 or 0) >= limit then return 'tokens_exhausted' end
    if not is_holder[user] then live, is_holder[user] = live + 1, true end
    new_holders[#new_holders + 1], new_holders[#new_holders + 2] = now + life_ms, user
  end
  if challenge then
    is_spent[challenge] = true
    redis.call('PSETEX', challenge, batch.challenges[tostring(i)], '')
  end
  token_of[user] = token
  new_tokens[KEYS[FIXED_KEYS + i]] = token
  return '+'
end

local replies = {}
for i = 1, count do replies[i] = decide(i) end

for key, token in pairs(new_tokens) do redis.call('PSETEX', key, life_ms, token) end
if #new_holders > 0 then
  -- Expired tokens are not counted, so some of them may stay until the next call.
  if expired > 0 then redis.call('ZREMRANGEBYRANK', live_tokens_key, 0, math.min(expired, EXPIRED_REMOVED_MAX) - 1) end
  redis.call('ZADD', live_tokens_key, unpack(new_holders))
  if redis.call('PTTL', live_tokens_key) < life_ms then redis.call('PEXPIRE', live_tokens_key, life_ms) end
end
-- One string is one reply for the client to parse; a list would be one reply per item.
return table.concat(replies, ' ')
