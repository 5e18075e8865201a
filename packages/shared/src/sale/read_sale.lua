-- What Redis has of one sale, at one instant.
--
-- Out   {1 if ready in this history of Redis, else 0; version; available; pause_version; 1 if
--       paused, else 0; now in ms; units held; orders in batches}
local state_key, pause_key, owners_key = KEYS[1], KEYS[2], KEYS[3]

local state = redis.call('HMGET', state_key,
  'ready', 'history_id', 'version', 'available', 'backlog', 'extra_held')
local ready = state[1] == '1' and state[2] == history_id()
local pause_version, paused = string.match(redis.call('GET', pause_key) or '', '^(%d+) (%d)$')
return {
  ready and 1 or 0,
  tonumber(state[3]) or 0,
  tonumber(state[4]) or 0,
  tonumber(pause_version) or -1,
  tonumber(paused) or 0,
  math.floor(now_us() / 1000),
  redis.call('HLEN', owners_key) + (tonumber(state[6]) or 0),
  tonumber(state[5]) or 0,
}
