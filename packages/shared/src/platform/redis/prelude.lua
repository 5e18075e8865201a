-- The loader puts this before every script.

-- Microseconds since the epoch, by the clock of this Redis.
local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- The name of this Redis's history: everything that one master writes between its start or
-- promotion and its end or demotion. A promoted replica begins a new history. So does a master that
-- was a replica in between, although its process is the same.
local function history_id()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end

-- A prefix of a history's name that is enough to distinguish it, for settled records.
local function short(history) return string.sub(history, 1, 8) end

-- Whether a call is too late to change anything: after its deadline (ms), or in another history
-- than the one in which its caller learned the time. The driver repeats a call without a reply, and
-- a network may delay one for long.
local function is_late(history, deadline_ms)
  return history ~= history_id() or now_us() > deadline_ms * 1000
end

-- Limits the TTL of a key to `life_ms`. A longer TTL is from before the clock was set back.
local function cap_life(key, life_ms)
  if redis.call('PTTL', key) > tonumber(life_ms) then redis.call('PEXPIRE', key, life_ms) end
end

-- Whether the lease at `key` is still the caller's; `mine` is "fencing_token holder".
local function lease_is_mine(key, mine)
  return redis.call('GET', key) == mine
end

-- Updates the time of a sale's oldest batch in the shard's outbox. Every script that removes
-- batches must call it.
local function note_oldest(outbox, sale, batch_times)
  local oldest = redis.call('ZRANGE', batch_times, 0, 0, 'WITHSCORES')
  if oldest[2] then redis.call('ZADD', outbox, oldest[2], sale) else redis.call('ZREM', outbox, sale) end
end

-- The line of an order in the record of a batch, without the order number; nil if it has none. The
-- first line of a record is about the batch.
local function line_of(record, order_no)
  local _, ends = string.find(record, '\n' .. order_no .. ' ', 1, true)
  return ends and string.match(record, '^[^\n]*', ends + 1)
end

-- The hashes of `keys` that exist.
local function existing(keys)
  local found = {}
  for _, key in ipairs(keys) do
    if redis.call('EXISTS', key) == 1 then found[#found + 1] = key end
  end
  return found
end

-- The live seckill tokens of these users: user → token. `hashes` are the sale's; each holds
-- `expires_ms token`. `expires_ms` has 13 digits until the year 2286. After the clock was set back,
-- an expired token may be live again beside the token that replaced it: the later expiry counts.
local function live_tokens(hashes, users, now)
  local token_of, expires_ms_of = {}, {}
  for _, key in ipairs(hashes) do
    for i, recorded in ipairs(redis.call('HMGET', key, unpack(users))) do
      if recorded then
        local user, expires_ms = users[i], tonumber(string.sub(recorded, 1, 13))
        if expires_ms > (expires_ms_of[user] or now) then
          token_of[user], expires_ms_of[user] = string.sub(recorded, 15), expires_ms
        end
      end
    end
  end
  return token_of
end
