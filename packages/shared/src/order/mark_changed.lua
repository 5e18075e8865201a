-- Sends pollers of these orders to the ledger: their batches and settled records do not count any
-- more. Run it before the change is committed, so that nobody reads the old status after the
-- commit.
--
-- life_ms  how long the marks are kept: longer than any settled record
-- The other KEYS: the mark of each order
-- Out   how many orders; 0 if Redis does not keep the sale: pollers of it ask the ledger anyway
local state_key = KEYS[1]
local life_ms = ARGV[1]

if redis.call('EXISTS', state_key) == 0 then return 0 end
for i = 2, #KEYS do redis.call('SET', KEYS[i], '', 'PX', life_ms) end
return #KEYS - 1
