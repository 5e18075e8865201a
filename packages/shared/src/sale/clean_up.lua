-- Deletes the keys of an ended sale, unless one of its orders still waits for the ledger.
--
-- The other KEYS are deleted too.
-- Out   1, or 0 if the lease is lost or a reservation is left, and nothing was changed
local lease_key, outbox_key, stopped_key, reserved_at_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local lease, sale = ARGV[1], ARGV[2]

if not lease_is_mine(lease_key, lease) or redis.call('EXISTS', reserved_at_key) == 1 then return 0 end
redis.call('UNLINK', unpack(KEYS, 4))
redis.call('ZREM', outbox_key, sale)
redis.call('SREM', stopped_key, sale)
return 1
