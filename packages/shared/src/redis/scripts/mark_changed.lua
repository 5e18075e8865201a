-- Sends pollers of these orders to the ledger: a status of a lower version is not told any more. Run before the change
-- is committed, so that nobody reads the old status after that.
--
-- KEYS  1 state, then per order: status
-- ARGV  1 life, ms, then per order: the version that the order is about to have
-- Out   how many orders; 0 where Redis does not keep the sale: of such a one it tells pollers nothing
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for i = 2, #KEYS do
  local standing = redis.call('GET', KEYS[i])
  if not standing or tonumber(string.match(standing, '^%d+')) < tonumber(ARGV[i]) then
    redis.call('SET', KEYS[i], ARGV[i] .. ' -', 'PX', ARGV[1])
  end
end
return #KEYS - 1
