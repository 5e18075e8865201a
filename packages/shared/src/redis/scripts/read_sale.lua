-- What Redis knows of one sale, at one instant.
--
-- KEYS  1 state  2 pause  3 owners  4 reserved_at
-- Out   {1 if ready in this history of Redis, else 0; version; available; pause_version; 1 if paused, else 0; now in ms;
--       owners; reservations}
local state = redis.call('HMGET', KEYS[1], 'ready', 'history_id', 'version', 'available')
local ready = state[1] == '1' and state[2] == history_id()
local pause_version, paused = string.match(redis.call('GET', KEYS[2]) or '', '^(%d+) (%d)$')
return {
  ready and 1 or 0,
  tonumber(state[3]) or 0,
  tonumber(state[4]) or 0,
  tonumber(pause_version) or -1,
  tonumber(paused) or 0,
  math.floor(now_us() / 1000),
  redis.call('HLEN', KEYS[3]),
  redis.call('ZCARD', KEYS[4]),
}
