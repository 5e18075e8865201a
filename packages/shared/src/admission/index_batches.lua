-- Rebuilds the order of a sale's batches by time and its number of waiting orders from the batches.
-- Only a repair needs it.
--
-- Out   1, or 0 if the lease is lost and nothing was changed
local lease_key, batches_key, batch_times_key, outbox_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local state_key, backlog_key = KEYS[5], KEYS[6]
local lease, sale = ARGV[1], ARGV[2]

if not lease_is_mine(lease_key, lease) then return 0 end
redis.call('UNLINK', batch_times_key)
local waiting = 0
local flat = redis.call('HGETALL', batches_key)
for i = 1, #flat, 2 do
  local admitted_ms, orders = string.match(flat[i + 1], '^(%d+) %d* (%d+)\n')
  redis.call('ZADD', batch_times_key, admitted_ms, flat[i])
  waiting = waiting + tonumber(orders)
end
local backlog = tonumber(redis.call('HGET', state_key, 'backlog')) or 0
redis.call('HSET', state_key, 'backlog', waiting)
redis.call('INCRBY', backlog_key, waiting - backlog)
note_oldest(outbox_key, sale, batch_times_key)
return 1
