-- Loads a waiting room into this history of Redis: what the ledger has, joined with what Redis
-- still has. Nothing falls, so it is safe to run twice.
--
-- history      the history of Redis in which the caller learned the time
-- deadline_ms  by this Redis's clock
-- early        the bitmap of early places
-- version      of the gate: readers of this Redis must not see an older one
-- Out   1 | 0 if Redis does not keep the sale | -1 if it is too late
local state_key, room_key, early_key, loading_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local history, deadline_ms, drawn, late, early = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local version, gate, calls = ARGV[6], ARGV[7], ARGV[8]

if is_late(history, deadline_ms) then return -1 end
if redis.call('EXISTS', state_key) == 0 then return 0 end
local room = redis.call('HMGET', room_key, 'drawn', 'late', 'version')
if early ~= '' then
  redis.call('SET', loading_key, early)
  redis.call('BITOP', 'OR', early_key, early_key, loading_key)
  redis.call('UNLINK', loading_key)
end
if (tonumber(room[3]) or -1) < tonumber(version) then
  redis.call('HSET', room_key, 'version', version, 'gate', gate, 'calls', calls)
end
redis.call('HSET', room_key,
  'history_id', history,
  'drawn', math.max(tonumber(room[1]) or 0, tonumber(drawn)),
  'late', string.format('%.0f', math.max(tonumber(room[2]) or 0, tonumber(late))))
return 1
