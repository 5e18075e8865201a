-- Opens a sale that `begin_change` stopped, with its changed facts, in one step. The number of held
-- units cannot have changed meanwhile: a stopped sale admits nothing, and giving back needs the
-- lease. Safe to run twice: the second run finds the sale open.
--
-- history  the history in which the sale was stopped
-- Out   1, or 0 if the sale must be rebuilt instead, and nothing was changed
local lease_key, state_key, stopped_key = KEYS[1], KEYS[2], KEYS[3]
local lease, history, version_before, version = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local units_more, start_ms, end_ms, price_cents, sale = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local units_per_shopper = ARGV[10]

if not lease_is_mine(lease_key, lease) or history_id() ~= history then return 0 end
local state = redis.call('HMGET', state_key, 'ready', 'version')
if state[1] == '1' and state[2] == version then return 1 end
if state[1] ~= '0' or state[2] ~= version_before then return 0 end

redis.call('HINCRBY', state_key, 'total', units_more)
redis.call('HINCRBY', state_key, 'available', units_more)
redis.call('HSET', state_key,
  'ready', '1', 'version', version, 'start_ms', start_ms, 'end_ms', end_ms, 'price_cents', price_cents,
  'units_per_shopper', units_per_shopper)
redis.call('SREM', stopped_key, sale)
return 1
