-- Makes the order of reservations by time anew from the reservations themselves; a repair, never needed otherwise.
--
-- KEYS  1 lease  2 reservations  3 reserved_at  4 outbox of the shard
-- ARGV  1 the lease  2 sale
-- Out   1, or 0 where the lease is lost and nothing was changed
if not lease_is_mine(KEYS[1], ARGV[1]) then return 0 end
redis.call('UNLINK', KEYS[3])
local flat = redis.call('HGETALL', KEYS[2])
for i = 1, #flat, 2 do redis.call('ZADD', KEYS[3], string.match(flat[i + 1], '^%d+'), flat[i]) end
note_oldest(KEYS[4], ARGV[2], KEYS[3])
return 1
