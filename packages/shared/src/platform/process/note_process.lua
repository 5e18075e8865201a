-- Notes that a process lives, and forgets those that were not noted for a while.
--
-- text  what the process says of itself
local processes_key = KEYS[1]
local name, text, kept_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])

local now_ms = math.floor(now_us() / 1000)
local noted = redis.call('HGETALL', processes_key)
for i = 1, #noted, 2 do
  local age_ms = now_ms - (tonumber(string.match(noted[i + 1], '^%d+')) or 0)
  -- A time in the future is from before the clock was set back.
  if age_ms > kept_ms or age_ms < 0 then redis.call('HDEL', processes_key, noted[i]) end
end
redis.call('HSET', processes_key, name, now_ms .. ' ' .. text)
redis.call('PEXPIRE', processes_key, kept_ms)
return 1
