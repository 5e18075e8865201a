-- Decides buys: batches of one sale or more of a shard, the items of a batch in order. Each item
-- sees the effects of the items before it. The accepted ones of a batch are stored as one record
-- under its number. Safe to run twice: if a batch is stored already, this call has run. Its
-- accepted items are accepted again, and all its others are `unavailable`.
--
-- history            the history of Redis in which the caller learned the time
-- deadline_ms        by this Redis's clock
-- backlog_max        orders of a sale that may wait for the ledger
-- shard_backlog_max  orders of all sales of the shard together that may wait
-- The other KEYS and ARGV: those of each batch, see `batch_of`
-- Out   one string with a word per item, or a single word that holds for all:
--       'accepted' | 'replayed:<order number>[:<quantity>]' | 'sold_out:<units left>', fewer than
--       asked for | 'invalid_request:<units per shopper>', fewer than asked for |
--       'rate_limited:<global|user>:<wait in ms>' | error code
--
-- The buckets are GCRA (ITU-T I.371): a token bucket is one number, the time at which it is full.
local backlog_key, outbox_key, global_bucket_key = KEYS[1], KEYS[2], KEYS[3]
local user_buckets_keys = { [0] = KEYS[4], KEYS[5], KEYS[6] }
local history, deadline_ms = ARGV[1], tonumber(ARGV[2])
local backlog_max, shard_backlog_max = tonumber(ARGV[3]), tonumber(ARGV[4])
local global_capacity, global_per_second, user_capacity, user_per_second = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local SHARD_KEYS, SHARD_ARGS, BATCH_KEYS, BATCH_ARGS = 6, 8, 10, 4
local BUCKET_WINDOWS, US_PER_SECOND = 3, 1000000
-- Lua looks up a global name at each use; a local one is faster.
local floor, ceil, find, sub = math.floor, math.ceil, string.find, string.sub

local us = now_us()
local now = floor(us / 1000)

-- The batches of the call, those that no earlier run has decided, the history of this Redis, and
-- the number of waiting orders of the shard. The steps at the end of the script set them.
local batches, undecided, here, shard_backlog = {}, {}, nil, 0

-- The lines of a text. A plain search is faster than a pattern, and these lines are long.
local function lines_of(text)
  local lines, from = {}, 1
  repeat
    local to = find(text, '\n', from, true) or #text + 1
    lines[#lines + 1] = sub(text, from, to - 1)
    from = to + 1
  until to > #text
  return lines
end

-- A batch of the call. `orders` has a line per item: order number, user and request id, and the
-- quantity unless it is 1. Its tokens are a text with a line per item.
local function batch_of(n)
  local key, arg = SHARD_KEYS + BATCH_KEYS * (n - 1), SHARD_ARGS + BATCH_ARGS * (n - 1)
  local orders, count, users, order_nos = ARGV[arg + 3], 0, {}, {}
  -- Most buys are of one unit. Only the others need what the sale knows of quantities.
  local quantities, several = {}, false
  for order_no, user, quantity in string.gmatch(orders, '(%S+) (%S+) %S+ ?(%d*)') do
    count = count + 1
    order_nos[count], users[count] = order_no, user
    if quantity ~= '' then quantities[count], several = tonumber(quantity), true end
  end
  return {
    state_key = KEYS[key + 1], pause_key = KEYS[key + 2], owners_key = KEYS[key + 3],
    batches_key = KEYS[key + 4], batch_times_key = KEYS[key + 5], settled_key = KEYS[key + 6],
    live_tokens_key = KEYS[key + 7], tokens_keys = { KEYS[key + 8], KEYS[key + 9], KEYS[key + 10] },
    batch_no = ARGV[arg + 1], sale = ARGV[arg + 2], orders = orders, tokens = lines_of(ARGV[arg + 4]),
    count = count, users = users, order_nos = order_nos, quantities = quantities, several = several,
    words = {}, accepted = 0, extra_held = 0,
  }
end

-- Answers a batch that is stored already. Returns whether it is.
local function is_stored(batch)
  local stored = (redis.call('HGET', batch.batches_key, batch.batch_no) or '')
    .. (redis.call('GET', batch.settled_key) or '')
  if stored == '' then return false end
  for i = 1, batch.count do
    batch.words[i] = line_of(stored, batch.order_nos[i]) and 'accepted' or 'unavailable'
  end
  return true
end

-- One word, if it holds for all.
local function answer()
  local words, is_one = {}, true
  for _, batch in ipairs(batches) do
    for i = 1, batch.count do
      local word = batch.words[i]
      words[#words + 1] = word
      is_one = is_one and word == words[1]
    end
  end
  return is_one and words[1] or table.concat(words, ' ')
end

-- The reason why nobody can take a unit of the sale now, or nil.
local function refusal_of(batch, start_ms, end_ms)
  -- Check the end first: a sale may be ended before its start.
  if now >= tonumber(end_ms) then return 'ended' end
  if now < tonumber(start_ms) then return 'not_started' end
  if sub(redis.call('GET', batch.pause_key) or '', -1) == '1' then return 'paused' end
  if batch.available <= 0 then return 'sold_out' end
  if batch.backlog >= backlog_max or shard_backlog >= shard_backlog_max then return 'overloaded' end
  return nil
end

-- Reads all that the items of a batch need at once. The items update it, so that later items see
-- earlier ones.
local function read_sale(batch)
  local state = redis.call('HMGET', batch.state_key,
    'ready', 'history_id', 'available', 'backlog', 'start_ms', 'end_ms', 'price_cents')
  batch.owner_of, batch.units_per_shopper = {}, math.huge
  if state[1] ~= '1' or state[2] ~= here then
    batch.refusal = 'not_ready'
    return
  end
  batch.available, batch.backlog = tonumber(state[3]) or 0, tonumber(state[4]) or 0
  batch.price_cents = state[7] or ''
  if batch.several then
    batch.units_per_shopper = tonumber(redis.call('HGET', batch.state_key, 'units_per_shopper')) or 1
  end
  for i, entry in ipairs(redis.call('HMGET', batch.owners_key, unpack(batch.users))) do
    batch.owner_of[batch.users[i]] = entry
  end
  batch.refusal = refusal_of(batch, state[5], state[6])
  if batch.refusal then return end
  batch.tokens_hashes = existing(batch.tokens_keys)
  batch.token_of = live_tokens(batch.tokens_hashes, batch.users, now)
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
  if time < us then time = us end
  local next_time = time + limit.interval
  local wait_us = next_time - limit.burst - us
  return next_time, wait_us > 0 and ceil(wait_us / 1000) or 0
end

-- A shopper's bucket is in the hash of the time window in which it is full again: this window or
-- the next one, since no bucket takes longer than a window to fill. A hash expires at the end of
-- its window, so that three names in turn are enough.
local window_us = math.max(user_bucket.burst, US_PER_SECOND)
local function window_of(time) return floor(time / window_us) end
local function buckets_key(window) return user_buckets_keys[window % BUCKET_WINDOWS] end

local full_at, global_full_at, drawn = {}, 0, {}

local function read_buckets()
  local users = {}
  for _, batch in ipairs(undecided) do
    for i = 1, batch.refusal and 0 or batch.count do users[#users + 1] = batch.users[i] end
  end
  if #users == 0 then return end
  for window = window_of(us), window_of(us) + 1 do
    for i, time in ipairs(redis.call('HMGET', buckets_key(window), unpack(users))) do
      time = time and tonumber(time)
      if time and time > (full_at[users[i]] or 0) then full_at[users[i]] = time end
    end
  end
  global_full_at = tonumber(redis.call('GET', global_bucket_key)) or 0
end

local function decide(batch, i)
  local user, quantity = batch.users[i], batch.quantities[i] or 1
  local owned = batch.owner_of[user]
  if owned then return 'replayed:' .. owned end
  if quantity > batch.units_per_shopper then return 'invalid_request:' .. batch.units_per_shopper end
  if batch.refusal then return batch.refusal end
  if batch.available <= 0 then return 'sold_out' end
  if batch.backlog >= backlog_max or shard_backlog >= shard_backlog_max then return 'overloaded' end
  -- All or nothing.
  if batch.available < quantity then return 'sold_out:' .. batch.available end

  local global_next, global_wait = take(global_bucket, global_full_at)
  if global_wait > 0 then return 'rate_limited:global:' .. global_wait end
  local user_next, user_wait = take(user_bucket, full_at[user] or 0)
  if user_wait > 0 then return 'rate_limited:user:' .. user_wait end
  global_full_at, full_at[user], drawn[user] = global_next, user_next, true

  if batch.token_of[user] ~= batch.tokens[i] then return 'token_invalid' end

  batch.available, batch.backlog, shard_backlog = batch.available - quantity, batch.backlog + 1, shard_backlog + 1
  batch.accepted = batch.accepted + 1
  local entry = batch.order_nos[i]
  if quantity > 1 then entry, batch.extra_held = entry .. ':' .. quantity, batch.extra_held + quantity - 1 end
  batch.owner_of[user], batch.token_of[user] = entry, nil
  return 'accepted'
end

-- Of all things, a bucket may be lost: neither the log nor a replica gets it.
local function save_buckets()
  redis.set_repl(redis.REPL_NONE)
  redis.call('PSETEX', global_bucket_key, math.max(1, ceil((global_full_at - us) / 1000)), global_full_at)
  local windows, texts = {}, {}
  for user in pairs(drawn) do
    local time = full_at[user]
    -- Most shoppers come once, so that their buckets are full at the same time: Redis would write
    -- the same number for each of them.
    local text = texts[time] or string.format('%.17g', time)
    texts[time] = text
    local window = window_of(time)
    local fields = windows[window] or {}
    windows[window] = fields
    local n = #fields
    fields[n + 1], fields[n + 2] = user, text
  end
  for window, fields in pairs(windows) do
    local key = buckets_key(window)
    local left_ms = ceil(((window + 1) * window_us - us) / 1000)
    redis.call('HSET', key, unpack(fields))
    if redis.call('PTTL', key) < left_ms then redis.call('PEXPIRE', key, left_ms) end
  end
  redis.set_repl(redis.REPL_ALL)
end

-- The lines of the accepted items.
local function accepted_orders(batch)
  if batch.accepted == batch.count then return batch.orders end
  local lines, i = {}, 0
  for line in string.gmatch(batch.orders, '[^\n]+') do
    i = i + 1
    if batch.words[i] == 'accepted' then lines[#lines + 1] = line end
  end
  return table.concat(lines, '\n')
end

local function save_sale(batch)
  local new_owners, consumers, n = {}, {}, 0
  for i, word in ipairs(batch.words) do
    if word == 'accepted' then
      local user = batch.users[i]
      n = n + 1
      consumers[n], new_owners[2 * n - 1], new_owners[2 * n] = user, user, batch.owner_of[user]
    end
  end
  redis.call('HSET', batch.state_key, 'available', batch.available, 'backlog', batch.backlog)
  if batch.extra_held > 0 then redis.call('HINCRBY', batch.state_key, 'extra_held', batch.extra_held) end
  redis.call('HSET', batch.owners_key, unpack(new_owners))
  redis.call('HSET', batch.batches_key, batch.batch_no,
    table.concat({ now, ' ', batch.price_cents, ' ', batch.accepted, '\n', accepted_orders(batch) }))
  redis.call('ZADD', batch.batch_times_key, now, batch.batch_no)
  for _, key in ipairs(batch.tokens_hashes) do redis.call('HDEL', key, unpack(consumers)) end
  if redis.call('EXISTS', batch.live_tokens_key) == 1 then
    redis.call('ZREM', batch.live_tokens_key, unpack(consumers))
  end
  -- Here and not once for all batches: if the next one has a fault, this one is complete.
  redis.call('INCRBY', backlog_key, batch.accepted)
  -- NX: keep the time of the oldest batch.
  redis.call('ZADD', outbox_key, 'NX', now, batch.sale)
end

-- The steps begin here.
local has_batch = {}
for n = 1, (#KEYS - SHARD_KEYS) / BATCH_KEYS do
  local batch = batch_of(n)
  -- The second one would not see what the first one takes.
  if has_batch[batch.sale] then error('two batches of one sale') end
  batches[n], has_batch[batch.sale] = batch, true
  if not is_stored(batch) then undecided[#undecided + 1] = batch end
end

here = #undecided > 0 and history_id()
if here ~= history or now > deadline_ms then
  for _, batch in ipairs(undecided) do
    for i = 1, batch.count do batch.words[i] = 'unavailable' end
  end
  return answer()
end

shard_backlog = tonumber(redis.call('GET', backlog_key)) or 0
for _, batch in ipairs(undecided) do read_sale(batch) end
read_buckets()
for _, batch in ipairs(undecided) do
  for i = 1, batch.count do batch.words[i] = decide(batch, i) end
end
if next(drawn) then save_buckets() end

for _, batch in ipairs(undecided) do
  if batch.accepted > 0 then save_sale(batch) end
end
return answer()
