-- Takes the lease of a sale if it is free, with the next fencing token. Safe to run twice: the holder's name is in
-- the lease, so the second run finds it taken by itself, and one that comes late takes nothing.
--
-- KEYS  1 lease  2 fence  3 lease_waiting  4 state
-- ARGV  1 history  2 deadline, ms  3 a name for this acquisition, never used before  4 life of the lease, ms
--       5 how long a wait is remembered, ms  6 how long the counter is kept, ms  7 '1' if the sale may be one that Redis does not keep yet
-- Out   the fencing token | 0 where somebody else holds the lease | -1 too late | -2 where Redis does not keep the sale
local held = redis.call('GET', KEYS[1])
if held then
  local token, holder = string.match(held, '^(%d+) (.+)$')
  if holder == ARGV[3] then return tonumber(token) end
end
if is_late(ARGV[1], ARGV[2]) then return -1 end
if held then
  cap_life(KEYS[1], ARGV[4])
  redis.call('SET', KEYS[3], '1', 'PX', ARGV[5])
  return 0
end
if ARGV[7] ~= '1' and redis.call('EXISTS', KEYS[4]) == 0 then return -2 end
local token = redis.call('INCR', KEYS[2])
-- A lost counter is raised again at the next stamp, so it need not outlive a sale that is gone.
redis.call('PEXPIRE', KEYS[2], ARGV[6])
redis.call('SET', KEYS[1], token .. ' ' .. ARGV[3], 'PX', ARGV[4])
return token
