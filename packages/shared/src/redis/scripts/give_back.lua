-- Gives back the units of closed and failed orders. Does nothing for an order that its shopper's owner entry does not
-- name any more, so it is safe to run any number of times.
--
-- KEYS  1 lease  2 state  3 owners
-- ARGV  1 the lease, then per order: user, order number
-- Out   how many units were given back, or -1 where the lease is lost and nothing was changed
if not lease_is_mine(KEYS[1], ARGV[1]) then return -1 end
local given_back = 0
for arg = 2, #ARGV, 2 do
  if redis.call('HGET', KEYS[3], ARGV[arg]) == ARGV[arg + 1] then
    redis.call('HDEL', KEYS[3], ARGV[arg])
    given_back = given_back + 1
  end
end
if given_back > 0 then redis.call('HINCRBY', KEYS[2], 'available', given_back) end
return given_back
