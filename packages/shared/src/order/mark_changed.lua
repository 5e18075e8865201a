-- Sends pollers of these orders to the ledger: a status with a lower version is no longer returned.
-- Run it before the change is committed, so that nobody reads the old status after the commit.
--
-- The other KEYS: the status of each order
-- The other ARGV: the next version of each order
-- Out   how many orders; 0 if Redis does not keep the sale: pollers of it ask the ledger anyway
local state_key = KEYS[1]
local life_ms = ARGV[1]

if redis.call('EXISTS', state_key) == 0 then return 0 end
for i = 2, #KEYS do
  local standing = redis.call('GET', KEYS[i])
  if not standing or tonumber(string.match(standing, '^%d+')) < tonumber(ARGV[i]) then
    redis.call('SET', KEYS[i], ARGV[i] .. ' -', 'PX', life_ms)
  end
end
return #KEYS - 1
