-- What Redis has of a waiting room and of its sale's units, at one instant.
--
-- Out   {1 if the room is loaded in this history of Redis, else 0; 1 if drawn; end of the late line;
--       version of the gate; gate; last calls; 1 if units may come back; 1 if the sale is ready;
--       available; 1 if paused; now in ms}
local state_key, pause_key, room_key = KEYS[1], KEYS[2], KEYS[3]

local here = history_id()
local state = redis.call('HMGET', state_key, 'ready', 'history_id', 'available')
local room = redis.call('HMGET', room_key, 'history_id', 'drawn', 'late', 'version', 'gate', 'calls', 'may_return')
return {
  room[1] == here and 1 or 0,
  tonumber(room[2]) or 0,
  tonumber(room[3]) or 0,
  tonumber(room[4]) or 0,
  tonumber(room[5]) or 0,
  room[6] or '[]',
  tonumber(room[7]) or 0,
  state[1] == '1' and state[2] == here and 1 or 0,
  tonumber(state[3]) or 0,
  string.sub(redis.call('GET', pause_key) or '', -1) == '1' and 1 or 0,
  math.floor(now_us() / 1000),
}
