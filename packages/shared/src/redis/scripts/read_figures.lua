-- The figures of one sale for the metrics, at one instant.
--
-- KEYS  1 state  2 owners  3 reserved_at
-- Out   {1 if ready in this history of Redis, else 0; available; how many owners; how many reservations;
--       when the oldest was admitted, ms, or 0 where there is none; now in ms}
local state = redis.call('HMGET', KEYS[1], 'ready', 'history_id', 'available')
return {
  state[1] == '1' and state[2] == history_id() and 1 or 0,
  tonumber(state[3]) or 0,
  redis.call('HLEN', KEYS[2]),
  redis.call('ZCARD', KEYS[3]),
  tonumber(redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]) or 0,
  math.floor(now_us() / 1000),
}
