-- Deletes the keys of an ended sale, unless one of its orders still waits for the ledger.
--
-- is_old  '1' if the sale was cleaned before: its data is old and came back, batches included
-- The other KEYS are deleted too.
-- Out   1, or 0 if the lease is lost or a batch is left, and nothing was changed
local lease_key, outbox_key, stopped_key, backlog_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local batch_times_key, batches_key, state_key = KEYS[5], KEYS[6], KEYS[7]
local lease, sale, is_old = ARGV[1], ARGV[2], ARGV[3]
local FIRST_DELETED = 5

if not lease_is_mine(lease_key, lease) then return 0 end
-- Both: if the index of the batches was lost, their orders still wait.
if is_old ~= '1' and redis.call('EXISTS', batch_times_key, batches_key) > 0 then return 0 end
redis.call('DECRBY', backlog_key, redis.call('HGET', state_key, 'backlog') or 0)
redis.call('UNLINK', unpack(KEYS, FIRST_DELETED))
redis.call('ZREM', outbox_key, sale)
redis.call('SREM', stopped_key, sale)
return 1
