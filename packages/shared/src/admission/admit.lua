-- Decides a micro-batch of buys of one sale, in order. Each item sees the effects of the items
-- before it. Safe to run twice with the same arguments: an item whose order number already owns a
-- unit, or already consumed the seckill token, is accepted again without effect.
--
-- history            the history of Redis in which the caller learned the time
-- deadline_ms        by this Redis's clock
-- backlog_max        reservations that the sale may have
-- shard_backlog_max  reservations that all sales of the shard may have together
-- The other KEYS: seckill token and user bucket of each item
-- The other ARGV: user, order number, seckill token and request id of each item
-- Out   one string with a word per item:
--       'accepted' | 'replayed:<order number>' | 'rate_limited:<global|user>:<wait in ms>' | error
--       code
--
-- The buckets are GCRA (ITU-T I.371): a token bucket is one number, the time at which it is full.
local state_key, pause_key, owners_key, reservations_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local reserved_at_key, backlog_key, global_bucket_key, live_tokens_key = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local outbox_key = KEYS[9]
local history, deadline_ms, job_id = ARGV[1], ARGV[2], ARGV[3]
local backlog_max, shard_backlog_max = tonumber(ARGV[4]), tonumber(ARGV[5])
local global_capacity, global_per_second, user_capacity, user_per_second = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local sale = ARGV[10]
local FIXED_KEYS, FIXED_ARGS = 9, 10

local count = (#KEYS - FIXED_KEYS) / 2

local users, order_nos, seckill_tokens, request_ids, token_keys, bucket_keys = {}, {}, {}, {}, {}, {}
for i = 1, count do
  local arg, key = FIXED_ARGS + 4 * (i - 1), FIXED_KEYS + 2 * (i - 1)
  users[i], order_nos[i], seckill_tokens[i], request_ids[i] = ARGV[arg + 1], ARGV[arg + 2], ARGV[arg + 3], ARGV[arg + 4]
  token_keys[i], bucket_keys[i] = KEYS[key + 1], KEYS[key + 2]
end

-- Read everything at once. The items update these maps, so that later items see earlier ones.
local state = redis.call('HMGET', state_key, 'ready', 'history_id', 'available', 'start_ms', 'end_ms', 'price_cents')
local owner_of, token_of, full_at = {}, {}, {}
for i, order_no in ipairs(redis.call('HMGET', owners_key, unpack(users))) do owner_of[users[i]] = order_no end
for i, token in ipairs(redis.call('MGET', unpack(token_keys))) do token_of[users[i]] = token end
for i, time in ipairs(redis.call('MGET', unpack(bucket_keys))) do full_at[users[i]] = tonumber(time) or 0 end
local global_full_at = tonumber(redis.call('GET', global_bucket_key)) or 0

local us = now_us()
local now = math.floor(us / 1000)
local here = history_id()
local ready = state[1] == '1' and state[2] == here
local late = here ~= history or now > tonumber(deadline_ms)
local available = tonumber(state[3]) or 0
local backlog = redis.call('ZCARD', reserved_at_key)
local shard_backlog = tonumber(redis.call('GET', backlog_key)) or 0

-- The reason why no unit can be taken now, or nil.
local function refusal_of_state()
  -- Check the end first: a sale may be ended before its start.
  if now >= tonumber(state[5]) then return 'ended' end
  if now < tonumber(state[4]) then return 'not_started' end
  if string.sub(redis.call('GET', pause_key) or '', -1) == '1' then return 'paused' end
  return nil
end
local state_refusal = ready and refusal_of_state()

local function bucket(capacity, per_second)
  local interval = 1000000 / tonumber(per_second)
  return { interval = interval, burst = interval * tonumber(capacity) }
end
local global_bucket, user_bucket = bucket(global_capacity, global_per_second), bucket(user_capacity, user_per_second)

-- Returns the time at which the bucket is full again if one is taken now, and the ms until one can
-- be taken (0: now).
local function take(limit, time)
  -- A bucket never takes longer than this to fill. If it seems to, the clock was set back: start
  -- again.
  if time > us + limit.burst then time = us end
  local next_time = math.max(time, us) + limit.interval
  return next_time, math.max(0, math.ceil((next_time - limit.burst - us) / 1000))
end

local new_owners, new_reservations, new_times, consumed, consumers, drawn = {}, {}, {}, {}, {}, {}
local admission = table.concat({ now, state[6] or '', job_id, '' }, ' ')

local function decide(i)
  local user, order_no = users[i], order_nos[i]
  local owned, token = owner_of[user], token_of[user]
  if owned == order_no then return 'accepted' end
  if late then return ready and token == '#' .. order_no and 'accepted' or 'unavailable' end
  if not ready then return 'not_ready' end
  if owned then return 'replayed:' .. owned end
  if token == '#' .. order_no then return 'accepted' end
  if state_refusal then return state_refusal end
  if available <= 0 then return 'sold_out' end
  if backlog >= backlog_max or shard_backlog >= shard_backlog_max then return 'overloaded' end

  local global_next, global_wait = take(global_bucket, global_full_at)
  if global_wait > 0 then return 'rate_limited:global:' .. global_wait end
  local user_next, user_wait = take(user_bucket, full_at[user])
  if user_wait > 0 then return 'rate_limited:user:' .. user_wait end
  global_full_at, full_at[user], drawn[user] = global_next, user_next, bucket_keys[i]

  if token ~= seckill_tokens[i] then return 'token_invalid' end

  available, backlog, shard_backlog = available - 1, backlog + 1, shard_backlog + 1
  owner_of[user], token_of[user] = order_no, '#' .. order_no
  consumed[token_keys[i]] = '#' .. order_no
  consumers[#consumers + 1] = user
  new_owners[#new_owners + 1], new_owners[#new_owners + 2] = user, order_no
  new_reservations[#new_reservations + 1] = order_no
  new_reservations[#new_reservations + 1] = admission .. request_ids[i] .. ' ' .. user
  new_times[#new_times + 1], new_times[#new_times + 2] = now, order_no
  return 'accepted'
end

local replies = {}
for i = 1, count do replies[i] = decide(i) end

local function save_bucket(key, time)
  redis.call('PSETEX', key, math.ceil((time - us) / 1000), string.format('%.0f', time))
end
if next(drawn) then
  save_bucket(global_bucket_key, global_full_at)
  for user, key in pairs(drawn) do save_bucket(key, full_at[user]) end
end
if #new_owners > 0 then
  redis.call('HSET', state_key, 'available', available)
  redis.call('HSET', owners_key, unpack(new_owners))
  redis.call('HSET', reservations_key, unpack(new_reservations))
  redis.call('ZADD', reserved_at_key, unpack(new_times))
  redis.call('INCRBY', backlog_key, #new_times / 2)
  -- NX: keep the time of the oldest reservation.
  redis.call('ZADD', outbox_key, 'NX', now, sale)
  redis.call('ZREM', live_tokens_key, unpack(consumers))
  for key, mark in pairs(consumed) do redis.call('SET', key, mark, 'KEEPTTL') end
end
-- One string is one reply for the client to parse; a list would be one reply per item.
return table.concat(replies, ' ')
