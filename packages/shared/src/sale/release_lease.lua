-- Ends the lease, if it is still the caller's.
--
-- ledger_fence   the ledger's fencing token if it is higher, else '0': raises the counter to it
-- fence_life_ms  how long the counter is kept
-- Out   1 if released, 0 if it was already lost
local lease_key, fence_key = KEYS[1], KEYS[2]
local lease, ledger_fence, fence_life_ms = ARGV[1], ARGV[2], ARGV[3]

if not lease_is_mine(lease_key, lease) then return 0 end
redis.call('DEL', lease_key)
if tonumber(ledger_fence) > (tonumber(redis.call('GET', fence_key)) or 0) then
  redis.call('SET', fence_key, ledger_fence, 'PX', fence_life_ms)
end
return 1
