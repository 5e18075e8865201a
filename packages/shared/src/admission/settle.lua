-- Removes the reservations of orders that are in the ledger, records their status for pollers and
-- notifies the order waiters. A recorded status with a higher version stays. A status names the
-- history of Redis in which it was recorded: in another history (a log that lost its end, a
-- promoted replica) the order may have changed without this Redis having the change.
--
-- life_ms  how long a status is kept
-- The other KEYS: the status of each order
-- The other ARGV: order number, version and status of each order
-- Out   1, or 0 if the lease is lost and nothing was changed
local lease_key, reservations_key, reserved_at_key, backlog_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local outbox_key = KEYS[5]
local lease, life_ms, channel, sale = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local FIXED_KEYS, FIXED_ARGS = 5, 4

if not lease_is_mine(lease_key, lease) then return 0 end

local recorded_here = ' ' .. short(history_id()) .. ' '

local order_nos = {}
for i = 1, #KEYS - FIXED_KEYS do
  local arg = FIXED_ARGS + 3 * (i - 1)
  local version, status = ARGV[arg + 2], ARGV[arg + 3]
  order_nos[i] = ARGV[arg + 1]
  local standing = redis.call('GET', KEYS[FIXED_KEYS + i])
  if not standing or tonumber(string.match(standing, '^%d+')) < tonumber(version) then
    redis.call('PSETEX', KEYS[FIXED_KEYS + i], life_ms, version .. recorded_here .. status)
  end
end
redis.call('DECRBY', backlog_key, redis.call('HDEL', reservations_key, unpack(order_nos)))
redis.call('ZREM', reserved_at_key, unpack(order_nos))
note_oldest(outbox_key, sale, reserved_at_key)
redis.call('PUBLISH', channel, table.concat(order_nos, ' '))
return 1
