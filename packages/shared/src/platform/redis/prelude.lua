-- The loader puts this before every script.

-- Microseconds since the epoch, by the clock of this Redis.
local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- Names the history of this Redis: what one master wrote between its start or promotion and its end or demotion. A replica that is promoted
-- begins another one, and so does a master that was a replica in between, although its process is the same.
local function history_id()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end

-- As much of a history's name as tells it from others, for what is recorded with each order.
local function short(history) return string.sub(history, 1, 8) end

-- Whether a call comes too late to change anything: after its deadline (ms), or in another history than the one that its caller
-- learned the time in. The driver sends a call again whose reply it did not get, and a network may keep one for long.
local function is_late(history, deadline_ms)
  return history ~= history_id() or now_us() > deadline_ms * 1000
end

-- Gives a key at most `life_ms` to live. One that has longer got its time before the clock was set back.
local function cap_life(key, life_ms)
  if redis.call('PTTL', key) > tonumber(life_ms) then redis.call('PEXPIRE', key, life_ms) end
end

-- Whether the lease at `key` is still the caller's; `mine` is "fencing_token holder".
local function lease_is_mine(key, mine)
  return redis.call('GET', key) == mine
end

-- Notes in the shard's outbox since when a sale has a reservation, or that it has none. Part of every script that takes reservations out.
local function note_oldest(outbox, sale, reserved_at)
  local oldest = redis.call('ZRANGE', reserved_at, 0, 0, 'WITHSCORES')
  if oldest[2] then redis.call('ZADD', outbox, oldest[2], sale) else redis.call('ZREM', outbox, sale) end
end
