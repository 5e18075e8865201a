-- Records seckill tokens for a batch of shoppers of one sale, in order. A shopper whose recorded
-- token is live keeps that one; a buy deletes the token that it consumes. Each item sees the
-- effects of the items before it.
--
-- A token is in the hash of the time window in which it expires. A window is as long as the life of
-- a token, and a hash expires at the end of its window, so that three names in turn are enough. If
-- the life was changed or the clock was set back, a token may be in any of the three: all are read.
--
-- history          the history of Redis in which the caller learned the time
-- deadline_ms      by this Redis's clock
-- life_ms          how long a token lives
-- tokens_per_unit  maximum number of live tokens per unit of the sale; 0: no limit
-- batch            JSON. `users` and `tokens`: a list each. `replaced`: item → a recorded token that
--                  the caller cannot verify any more. `challenges`: item → how long its solved
--                  challenge is remembered as spent, ms
-- The other KEYS: the challenges, in the order of the items
-- Out   one string with a word per item: '+' (its token is recorded) | the token that the shopper
--       had | 'not_ready' | 'ended' | 'challenge_required' (it was used before) |
--       'tokens_exhausted'. Or 'late' alone (nothing was changed: after a buy, this call would
--       restore the token that the buy consumed)
local state_key, live_tokens_key, tokens_keys = KEYS[1], KEYS[2], { KEYS[3], KEYS[4], KEYS[5] }
local history, deadline_ms, life_ms, tokens_per_unit = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local batch = cjson.decode(ARGV[5])
local FIXED_KEYS = 5
-- A call removes at most this many expired tokens from the set of live ones.
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
local hashes = existing(tokens_keys)
local token_of, challenge_of, is_spent = live_tokens(hashes, users, now), {}, {}
local next_challenge = FIXED_KEYS + 1
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

local new_token_of, new_holders, superseded = {}, {}, {}

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
  if recorded then superseded[#superseded + 1] = user end
  token_of[user], new_token_of[user] = token, token
  return '+'
end

local replies = {}
for i = 1, count do replies[i] = decide(i) end

local function save_tokens()
  local expires_ms = now + life_ms
  local window = math.floor(expires_ms / life_ms)
  local key, ends_ms = tokens_keys[window % #tokens_keys + 1], (window + 1) * life_ms
  local fields, prefix = {}, expires_ms .. ' '
  for user, token in pairs(new_token_of) do fields[#fields + 1], fields[#fields + 2] = user, prefix .. token end
  if #superseded > 0 then
    for _, other in ipairs(hashes) do redis.call('HDEL', other, unpack(superseded)) end
  end
  redis.call('HSET', key, unpack(fields))
  if redis.call('PTTL', key) < ends_ms - now then redis.call('PEXPIREAT', key, ends_ms) end
end
if next(new_token_of) then save_tokens() end
if #new_holders > 0 then
  -- Expired tokens are not counted, so some of them may stay until the next call.
  if expired > 0 then redis.call('ZREMRANGEBYRANK', live_tokens_key, 0, math.min(expired, EXPIRED_REMOVED_MAX) - 1) end
  redis.call('ZADD', live_tokens_key, unpack(new_holders))
  if redis.call('PTTL', live_tokens_key) < life_ms then redis.call('PEXPIRE', live_tokens_key, life_ms) end
end
-- One string is one reply for the client to parse; a list would be one reply per item.
return table.concat(replies, ' ')
