-- Pauses or resumes a sale. The higher version wins, so that calls may arrive in any order.
--
-- KEYS  1 pause  2 state
-- ARGV  1 pause_version of the row  2 '1' to pause, '0' to resume
-- Out   1 if set, 0 if a newer one stands, or Redis does not keep the sale: a rebuild brings the row's pause
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
local standing = tonumber(string.match(redis.call('GET', KEYS[1]) or '', '^%d+')) or -1
if standing >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])
return 1
