-- Takes the lease of a sale if it is free, with the next fencing token. Safe to run twice: the holder's name is in
-- the lease, so the second run finds it taken by itself.
--
-- KEYS  1 lease  2 fence  3 lease_waiting
-- ARGV  1 a name for this acquisition, never used before  2 life of the lease, ms  3 how long a wait is remembered, ms
-- Out   the fencing token, or 0 where somebody else holds the lease
local held = redis.call('GET', KEYS[1])
if held then
  local token, holder = string.match(held, '^(%d+) (.+)$')
  if holder == ARGV[1] then return tonumber(token) end
  redis.call('SET', KEYS[3], '1', 'PX', ARGV[3])
  return 0
end
local token = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], token .. ' ' .. ARGV[1], 'PX', ARGV[2])
return token
