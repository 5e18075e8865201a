-- Gives back the units of closed and failed orders. An order that its shopper's owner entry no
-- longer names is skipped, so this is safe to run any number of times.
--
-- The other ARGV: user and order number of each order
-- Out   how many units were given back, or -1 if the lease is lost and nothing was changed
local lease_key, state_key, owners_key = KEYS[1], KEYS[2], KEYS[3]
local lease = ARGV[1]

if not lease_is_mine(lease_key, lease) then return -1 end
local given_back = 0
for arg = 2, #ARGV, 2 do
  if redis.call('HGET', owners_key, ARGV[arg]) == ARGV[arg + 1] then
    redis.call('HDEL', owners_key, ARGV[arg])
    given_back = given_back + 1
  end
end
if given_back > 0 then redis.call('HINCRBY', state_key, 'available', given_back) end
return given_back
