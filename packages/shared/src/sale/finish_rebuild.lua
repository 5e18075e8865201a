-- Replaces the owners with the rebuilt ones and opens the sale in this history of Redis, in one
-- step. Safe to run twice: the second run finds the sale open and does not change later buys.
--
-- history      the history in which the rebuild began
-- owner_count  the number of owners that were added to it
-- version      the version of the product
-- paused       '1' or '0'
-- extra_held   the units that the owners hold beyond one for each
-- Out   1, or 0 if the lease is lost or another history has begun, and nothing was changed
local lease_key, state_key, owners_key, building_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local pause_key, batch_times_key, outbox_key, stopped_key = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local lease, history, owner_count, total = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local available, version, start_ms, end_ms = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local price_cents, pause_version, paused, sale = ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local units_per_shopper, extra_held = ARGV[13], ARGV[14]

if not lease_is_mine(lease_key, lease) or history_id() ~= history then return 0 end
-- The holder of this lease stopped the sale. If it is ready, an earlier run of this script opened
-- it.
if redis.call('HGET', state_key, 'ready') == '1' then return 1 end
if redis.call('HLEN', building_key) ~= tonumber(owner_count) then return 0 end

-- Orders of any remaining batch may be in the ledger, also those from before the clock was set
-- back.
local newest = redis.call('ZRANGE', batch_times_key, -1, -1, 'WITHSCORES')
local taken_until_ms = math.max(now_us() / 1000, tonumber(newest[2]) or 0)
-- Unlink first: RENAME would free the old hash at once and block Redis for that time.
redis.call('UNLINK', owners_key)
if owner_count ~= '0' then redis.call('RENAME', building_key, owners_key) end
redis.call('HSET', state_key,
  'ready', '1', 'history_id', history, 'total', total, 'available', available, 'version', version,
  'start_ms', start_ms, 'end_ms', end_ms, 'price_cents', price_cents,
  'units_per_shopper', units_per_shopper, 'extra_held', extra_held,
  'taken_until_ms', string.format('%d', taken_until_ms))
local standing = tonumber(string.match(redis.call('GET', pause_key) or '', '^%d+')) or -1
if standing < tonumber(pause_version) then redis.call('SET', pause_key, pause_version .. ' ' .. paused) end
note_oldest(outbox_key, sale, batch_times_key)
redis.call('SREM', stopped_key, sale)
return 1
