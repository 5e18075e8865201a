-- Removes the reservations of orders that the ledger has, records their status for pollers and tells the waiting ones.
-- A recorded status of a higher version stays. It names the history of Redis that it was recorded in: in another one (a log that has lost its end,
-- a replica that was promoted) the order may have come to more than this Redis knows.
--
-- KEYS  1 lease  2 reservations  3 reserved_at  4 backlog of the shard  5 outbox of the shard, then per order: status
-- ARGV  1 the lease  2 life of a status, ms  3 channel  4 sale, then per order: order number, version, status
-- Out   1, or 0 where the lease is lost and nothing was changed
local FIXED_KEYS, FIXED_ARGS = 5, 4
if not lease_is_mine(KEYS[1], ARGV[1]) then return 0 end

local recorded_here = ' ' .. short(history_id()) .. ' '

local order_nos = {}
for i = 1, #KEYS - FIXED_KEYS do
  local arg = FIXED_ARGS + 3 * (i - 1)
  local version, status = ARGV[arg + 2], ARGV[arg + 3]
  order_nos[i] = ARGV[arg + 1]
  local standing = redis.call('GET', KEYS[FIXED_KEYS + i])
  if not standing or tonumber(string.match(standing, '^%d+')) < tonumber(version) then
    redis.call('PSETEX', KEYS[FIXED_KEYS + i], ARGV[2], version .. recorded_here .. status)
  end
end
redis.call('DECRBY', KEYS[4], redis.call('HDEL', KEYS[2], unpack(order_nos)))
redis.call('ZREM', KEYS[3], unpack(order_nos))
note_oldest(KEYS[5], ARGV[4], KEYS[3])
redis.call('PUBLISH', ARGV[3], table.concat(order_nos, ' '))
return 1
