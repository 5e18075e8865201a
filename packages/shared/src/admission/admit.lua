-- Decides a batch of buys of one sale, in order. Each item sees the effects of the items before it.
-- The accepted ones are stored as one record under the number of the batch. Safe to run twice: if
-- the batch is stored already, this call has run. Its accepted items are accepted again, and all
-- others are `unavailable`.
--
-- history            the history of Redis in which the caller learned the time
-- deadline_ms        by this Redis's clock
-- backlog_max        orders of the sale that may wait for the ledger
-- shard_backlog_max  orders of all sales of the shard together that may wait
-- orders             one line per item: order number, user and request id, and the quantity unless
--                    it is 1
-- seckill_tokens     one line per item
-- The other KEYS: seckill token of each item
-- Out   one string with a word per item, or a single word that holds for all:
--       'accepted' | 'replayed:<order number>[:<quantity>]' | 'sold_out:<units left>', fewer than
--       asked for | 'invalid_request:<units per shopper>', fewer than asked for |
--       'rate_limited:<global|user>:<wait in ms>' | error code
--
-- The buckets are GCRA (ITU-T I.371): a token bucket is one number, the time at which it is full.
local state_key, pause_key, owners_key, batches_key, batch_times_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local settled_key, live_tokens_key, backlog_key, outbox_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local global_bucket_key, user_buckets_keys = KEYS[10], { [0] = KEYS[11], KEYS[12], KEYS[13] }
local history, deadline_ms, batch_no, sale = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local backlog_max, shard_backlog_max = tonumber(ARGV[5]), tonumber(ARGV[6])
local global_capacity, global_per_second, user_capacity, user_per_second = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local orders, seckill_tokens = ARGV[11], ARGV[12]
local FIXED_KEYS, BUCKET_WINDOWS, US_PER_SECOND = 13, 3, 1000000

-- The line of an item in `orders` is from `starts` to `ends`.
local count, users, order_nos, quantities, starts, ends = 0, {}, {}, {}, {}, {}
-- Most buys are of one unit. Only the others need what the sale knows of quantities.
local several = false
for from, order_no, user, quantity, to in string.gmatch(orders, '()(%S+) (%S+) %S+ ?(%d*)()') do
  count = count + 1
  starts[count], order_nos[count], users[count], ends[count] = from, order_no, user, to - 1
  if quantity ~= '' then quantities[count], several = tonumber(quantity), true end
end
local tokens = {}
for token in string.gmatch(seckill_tokens .. '\n', '([^\n]*)\n') do tokens[#tokens + 1] = token end

-- One word, if it holds for all.
local function answer(words)
  for i = 2, count do
    if words[i] ~= words[1] then return table.concat(words, ' ') end
  end
  return words[1]
end

local stored = (redis.call('HGET', batches_key, batch_no) or '') .. (redis.call('GET', settled_key) or '')
if stored ~= '' then
  local words = {}
  for i = 1, count do words[i] = line_of(stored, order_nos[i]) and 'accepted' or 'unavailable' end
  return answer(words)
end

local us = now_us()
local now = math.floor(us / 1000)
local here = history_id()
if here ~= history or now > deadline_ms then return 'unavailable' end
local state = redis.call('HMGET', state_key,
  'ready', 'history_id', 'available', 'backlog', 'start_ms', 'end_ms', 'price_cents')
if state[1] ~= '1' or state[2] ~= here then return 'not_ready' end
local available, backlog = tonumber(state[3]) or 0, tonumber(state[4]) or 0
local shard_backlog = tonumber(redis.call('GET', backlog_key)) or 0
local units_per_shopper, extra_held = 1, 0
if several then units_per_shopper = tonumber(redis.call('HGET', state_key, 'units_per_shopper')) or 1 end

-- Read everything at once. The items update these maps, so that later items see earlier ones.
local owner_of = {}
for i, entry in ipairs(redis.call('HMGET', owners_key, unpack(users))) do owner_of[users[i]] = entry end

-- The reason why nobody can take a unit now, or nil.
local function refusal_of_sale()
  -- Check the end first: a sale may be ended before its start.
  if now >= tonumber(state[6]) then return 'ended' end
  if now < tonumber(state[5]) then return 'not_started' end
  if string.sub(redis.call('GET', pause_key) or '', -1) == '1' then return 'paused' end
  if available <= 0 then return 'sold_out' end
  if backlog >= backlog_max or shard_backlog >= shard_backlog_max then return 'overloaded' end
  return nil
end

local function bucket(capacity, per_second)
  local interval = US_PER_SECOND / tonumber(per_second)
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

-- A shopper's bucket is in the hash of the time window in which it is full again: this window or
-- the next one, since no bucket takes longer than a window to fill. A hash expires at the end of
-- its window, so that three names in turn are enough.
local window_us = math.max(user_bucket.burst, US_PER_SECOND)
local function window_of(time) return math.floor(time / window_us) end
local function buckets_key(window) return user_buckets_keys[window % BUCKET_WINDOWS] end

local refusal = refusal_of_sale()
local token_of, full_at, global_full_at = {}, {}, 0
if not refusal then
  for i, token in ipairs(redis.call('MGET', unpack(KEYS, FIXED_KEYS + 1))) do token_of[users[i]] = token end
  for window = window_of(us), window_of(us) + 1 do
    for i, time in ipairs(redis.call('HMGET', buckets_key(window), unpack(users))) do
      full_at[users[i]] = math.max(full_at[users[i]] or 0, tonumber(time) or 0)
    end
  end
  global_full_at = tonumber(redis.call('GET', global_bucket_key)) or 0
end

local new_owners, consumed, consumers, accepted, drawn = {}, {}, {}, {}, {}

local function decide(i)
  local user, quantity = users[i], quantities[i] or 1
  if owner_of[user] then return 'replayed:' .. owner_of[user] end
  if quantity > units_per_shopper then return 'invalid_request:' .. units_per_shopper end
  if refusal then return refusal end
  if available <= 0 then return 'sold_out' end
  if backlog >= backlog_max or shard_backlog >= shard_backlog_max then return 'overloaded' end
  -- All or nothing.
  if available < quantity then return 'sold_out:' .. available end

  local global_next, global_wait = take(global_bucket, global_full_at)
  if global_wait > 0 then return 'rate_limited:global:' .. global_wait end
  local user_next, user_wait = take(user_bucket, full_at[user])
  if user_wait > 0 then return 'rate_limited:user:' .. user_wait end
  global_full_at, full_at[user], drawn[user] = global_next, user_next, true

  if token_of[user] ~= tokens[i] then return 'token_invalid' end

  available, backlog, shard_backlog = available - quantity, backlog + 1, shard_backlog + 1
  local entry = order_nos[i]
  if quantity > 1 then entry, extra_held = entry .. ':' .. quantity, extra_held + quantity - 1 end
  owner_of[user], token_of[user] = entry, nil
  accepted[#accepted + 1] = i
  consumed[#consumed + 1], consumers[#consumers + 1] = KEYS[FIXED_KEYS + i], user
  new_owners[#new_owners + 1], new_owners[#new_owners + 2] = user, entry
  return 'accepted'
end

local words = {}
for i = 1, count do words[i] = decide(i) end

-- Of all things, a bucket may be lost: neither the log nor a replica gets it.
local function save_buckets()
  redis.set_repl(redis.REPL_NONE)
  redis.call('PSETEX', global_bucket_key, math.max(1, math.ceil((global_full_at - us) / 1000)), global_full_at)
  local windows = {}
  for user in pairs(drawn) do
    local window = window_of(full_at[user])
    local fields = windows[window] or {}
    windows[window] = fields
    fields[#fields + 1], fields[#fields + 2] = user, full_at[user]
  end
  for window, fields in pairs(windows) do
    local key = buckets_key(window)
    local left_ms = math.ceil(((window + 1) * window_us - us) / 1000)
    redis.call('HSET', key, unpack(fields))
    if redis.call('PTTL', key) < left_ms then redis.call('PEXPIRE', key, left_ms) end
  end
  redis.set_repl(redis.REPL_ALL)
end
if next(drawn) then save_buckets() end

-- The lines of the accepted items.
local function accepted_orders()
  if #accepted == count then return orders end
  local lines = {}
  for n, i in ipairs(accepted) do lines[n] = string.sub(orders, starts[i], ends[i]) end
  return table.concat(lines, '\n')
end
if #accepted > 0 then
  redis.call('HSET', state_key, 'available', available, 'backlog', backlog)
  if extra_held > 0 then redis.call('HINCRBY', state_key, 'extra_held', extra_held) end
  redis.call('HSET', owners_key, unpack(new_owners))
  redis.call('HSET', batches_key, batch_no,
    table.concat({ now, ' ', state[7] or '', ' ', #accepted, '\n', accepted_orders() }))
  redis.call('ZADD', batch_times_key, now, batch_no)
  redis.call('INCRBY', backlog_key, #accepted)
  -- NX: keep the time of the oldest batch.
  redis.call('ZADD', outbox_key, 'NX', now, sale)
  if redis.call('EXISTS', live_tokens_key) == 1 then redis.call('ZREM', live_tokens_key, unpack(consumers)) end
  redis.call('DEL', unpack(consumed))
end
return answer(words)
