-- Deletes the keys of an ended sale, unless one of its orders still waits for the ledger.
--
-- is_old  '1' if the sale was cleaned before: what is here came back with old data, reservations too
-- The other KEYS are deleted too.
-- Out   1, or 0 if the lease is lost or a reservation is left, and nothing was changed
local lease_key, outbox_key, stopped_key, reserved_at_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local lease, sale, is_old = ARGV[1], ARGV[2], ARGV[3]

if not lease_is_mine(lease_key, lease) then return 0 end
if is_old ~= '1' and redis.call('EXISTS', reserved_at_key) == 1 then return 0 end
redis.call('UNLINK', unpack(KEYS, 4))
redis.call('ZREM', outbox_key, sale)
redis.call('SREM', stopped_key, sale)
return 1
