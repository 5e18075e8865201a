-- Sends pollers of these orders to the ledger: a status of a lower version is not told any more. Run before the change
-- is committed, so that nobody reads the old status after that.
--
-- KEYS  per order: status
-- ARGV  1 life, ms, then per order: the version that the order is about to have
-- Out   how many orders
for i = 1, #KEYS do
  local standing = redis.call('GET', KEYS[i])
  if not standing or tonumber(string.match(standing, '^%d+')) < tonumber(ARGV[i + 1]) then
    redis.call('SET', KEYS[i], ARGV[i + 1] .. ' -', 'PX', ARGV[1])
  end
end
return #KEYS
