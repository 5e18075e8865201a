-- Pauses or resumes a sale. The higher version wins, so calls may arrive in any order.
--
-- version  the row's pause_version
-- paused   '1' to pause, '0' to resume
-- Out   1 if set, or 0 if Redis has a newer one or does not keep the sale (a rebuild loads the
--       pause of the row)
local pause_key, state_key = KEYS[1], KEYS[2]
local version, paused = ARGV[1], ARGV[2]

if redis.call('EXISTS', state_key) == 0 then return 0 end
local standing = tonumber(string.match(redis.call('GET', pause_key) or '', '^%d+')) or -1
if standing >= tonumber(version) then return 0 end
redis.call('SET', pause_key, version .. ' ' .. paused)
return 1
