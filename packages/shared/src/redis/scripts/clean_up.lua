-- Deletes the keys of a sale that is over, unless an order of it still waits for the ledger.
--
-- KEYS  1 lease  2 outbox of the shard  3 stopped sales of the shard  4 reserved_at, then the keys to delete with it
-- ARGV  1 the lease  2 sale
-- Out   1, or 0 where the lease is lost or a reservation is left, and nothing was changed
if not lease_is_mine(KEYS[1], ARGV[1]) or redis.call('EXISTS', KEYS[4]) == 1 then return 0 end
redis.call('UNLINK', unpack(KEYS, 4))
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('SREM', KEYS[3], ARGV[2])
return 1
