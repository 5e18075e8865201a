-- The counts of one sale for the metrics, at one instant.
--
-- Out   {1 if ready in this history of Redis, else 0; available; units held; number of orders in
--       batches; when the oldest batch was admitted, ms, or 0 if there is none; now in ms; units}
local state_key, owners_key, batch_times_key = KEYS[1], KEYS[2], KEYS[3]

local state = redis.call('HMGET', state_key, 'ready', 'history_id', 'available', 'backlog', 'total', 'extra_held')
return {
  state[1] == '1' and state[2] == history_id() and 1 or 0,
  tonumber(state[3]) or 0,
  redis.call('HLEN', owners_key) + (tonumber(state[6]) or 0),
  tonumber(state[4]) or 0,
  tonumber(redis.call('ZRANGE', batch_times_key, 0, 0, 'WITHSCORES')[2]) or 0,
  math.floor(now_us() / 1000),
  tonumber(state[5]) or 0,
}
