-- Takes the lease of a sale if it is free, with the next fencing token. Safe to run twice: the
-- lease contains the holder's name, so the second run finds its own lease. A late run takes
-- nothing.
--
-- holder         a unique name of this acquisition
-- life_ms        how long the lease is held unless it is renewed
-- wait_ms        how long a wait is remembered
-- fence_life_ms  how long the counter is kept
-- may_be_new     '1' if Redis may not have the sale yet
-- Out   the fencing token | 0 if another process holds the lease | -1 if it is too late |
--       -2 if Redis does not keep the sale
local lease_key, fence_key, waiting_key, state_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local history, deadline_ms, holder, life_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local wait_ms, fence_life_ms, may_be_new = ARGV[5], ARGV[6], ARGV[7]

local held = redis.call('GET', lease_key)
if held then
  local token, held_by = string.match(held, '^(%d+) (.+)$')
  if held_by == holder then return tonumber(token) end
end
if is_late(history, deadline_ms) then return -1 end
if held then
  cap_life(lease_key, life_ms)
  redis.call('SET', waiting_key, '1', 'PX', wait_ms)
  return 0
end
if may_be_new ~= '1' and redis.call('EXISTS', state_key) == 0 then return -2 end
local token = redis.call('INCR', fence_key)
-- The counter may expire after its sale is gone: the next stamp raises a lost counter again.
redis.call('PEXPIRE', fence_key, fence_life_ms)
redis.call('SET', lease_key, token .. ' ' .. holder, 'PX', life_ms)
return token
