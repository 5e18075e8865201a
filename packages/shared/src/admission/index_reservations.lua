-- Rebuilds the order of the reservations by time from the reservations. Only a repair needs it.
--
-- Out   1, or 0 if the lease is lost and nothing was changed
local lease_key, reservations_key, reserved_at_key, outbox_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local lease, sale = ARGV[1], ARGV[2]

if not lease_is_mine(lease_key, lease) then return 0 end
redis.call('UNLINK', reserved_at_key)
local flat = redis.call('HGETALL', reservations_key)
for i = 1, #flat, 2 do redis.call('ZADD', reserved_at_key, string.match(flat[i + 1], '^%d+'), flat[i]) end
note_oldest(outbox_key, sale, reserved_at_key)
return 1
