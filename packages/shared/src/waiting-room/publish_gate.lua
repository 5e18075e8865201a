-- Copies the gate of the ledger to Redis. The higher version wins, so calls may arrive in any
-- order. Waiting polls of every api process hear of it.
--
-- calls       the last calls, for readers
-- may_return  '1' if units may come back
-- channel     the name of the sale's channel
-- Out   1 | 0 if Redis has it already, or does not keep the room
local room_key = KEYS[1]
local version, gate, calls, may_return, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local room = redis.call('HMGET', room_key, 'history_id', 'version', 'may_return')
local standing = tonumber(room[2]) or -1
if not room[1] or standing > tonumber(version) then return 0 end
if standing == tonumber(version) and room[3] == may_return then return 0 end
redis.call('HSET', room_key, 'version', version, 'gate', gate, 'calls', calls, 'may_return', may_return)
redis.call('PUBLISH', channel, version)
return 1
