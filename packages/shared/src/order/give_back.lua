-- Gives back the units of closed and failed orders. An order that its shopper's owner entry no
-- longer names is skipped, so this is safe to run any number of times.
--
-- The other ARGV: user and order number of each order
-- Out   how many units were given back, or -1 if the lease is lost and nothing was changed
local lease_key, state_key, owners_key = KEYS[1], KEYS[2], KEYS[3]
local lease = ARGV[1]

if not lease_is_mine(lease_key, lease) then return -1 end
local owners, units = 0, 0
for arg = 2, #ARGV, 2 do
  local user, order_no = ARGV[arg], ARGV[arg + 1]
  local named, quantity = string.match(redis.call('HGET', owners_key, user) or '', '^([^:]*):?(%d*)$')
  if named == order_no then
    redis.call('HDEL', owners_key, user)
    owners, units = owners + 1, units + (tonumber(quantity) or 1)
  end
end
if units > 0 then redis.call('HINCRBY', state_key, 'available', units) end
if units > owners then redis.call('HINCRBY', state_key, 'extra_held', owners - units) end
return units
