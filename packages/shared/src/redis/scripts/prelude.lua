-- Put before every script of this folder when it is loaded.

-- Microseconds since the epoch, by the clock of this Redis.
local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- Names this Redis process: another one after a restart or a promotion.
local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end

-- As much of a run id as tells processes apart, for what is recorded with each order.
local function short(run) return string.sub(run, 1, 8) end

-- Whether the lease at `key` is still the caller's; `mine` is "fencing_token holder".
local function lease_is_mine(key, mine)
  return redis.call('GET', key) == mine
end
