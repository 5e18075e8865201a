-- Puts rebuilt owners in place and opens the sale in this history of Redis, in one step. Safe to run twice: the second
-- run finds the sale open, and leaves alone what was sold since the first.
--
-- KEYS  1 lease  2 state  3 owners  4 building  5 pause  6 reserved_at  7 outbox of the shard  8 stopped sales of the shard
-- ARGV  1 the lease  2 history in which the rebuild was begun  3 number of owners built  4 total units  5 available units
--       6 product version  7 start, ms  8 end, ms  9 price, cents  10 pause_version  11 '1' if paused, else '0'  12 sale
-- Out   1, or 0 where the lease is lost or another history has begun since, and nothing was changed
if not lease_is_mine(KEYS[1], ARGV[1]) or history_id() ~= ARGV[2] then return 0 end
-- The holder of this lease has stopped the sale, and nobody else can have opened it.
if redis.call('HGET', KEYS[2], 'ready') == '1' then return 1 end
if redis.call('HLEN', KEYS[4]) ~= tonumber(ARGV[3]) then return 0 end

-- Unlinked first, since RENAME would free the old hash at once and block for as long as that takes.
redis.call('UNLINK', KEYS[3])
if ARGV[3] ~= '0' then redis.call('RENAME', KEYS[4], KEYS[3]) end
redis.call('HSET', KEYS[2],
  'ready', '1', 'history_id', ARGV[2], 'total', ARGV[4], 'available', ARGV[5], 'version', ARGV[6],
  'start_ms', ARGV[7], 'end_ms', ARGV[8], 'price_cents', ARGV[9],
  -- Any of the reservations that are left may be in the ledger.
  'taken_until_ms', string.format('%d', now_us() / 1000))
local standing = tonumber(string.match(redis.call('GET', KEYS[5]) or '', '^%d+')) or -1
if standing < tonumber(ARGV[10]) then redis.call('SET', KEYS[5], ARGV[10] .. ' ' .. ARGV[11]) end
note_oldest(KEYS[7], ARGV[12], KEYS[6])
redis.call('SREM', KEYS[8], ARGV[12])
return 1
