-- The oldest reservations of a sale, with the order that each one's shopper owns. Before they can be written, it is noted
-- up to which admission time they are taken: a poll for one of these has to ask the ledger.
--
-- KEYS  1 lease  2 reservations  3 reserved_at  4 owners  5 lease_waiting  6 state
-- ARGV  1 the lease  2 how many at most  3 how many of the oldest to leave out
-- Out   {1, or 2 where somebody waits for the lease; a line for each: order number, reservation, owner entry or '-'},
--       or {0, ''} where the lease is lost
if not lease_is_mine(KEYS[1], ARGV[1]) then return { 0, '' } end
local order_nos = redis.call('ZRANGE', KEYS[3], ARGV[3], ARGV[3] + ARGV[2] - 1)
-- A wait is remembered for much less than this; more is left of one from before the clock was set back.
local waiting_ms = redis.call('PTTL', KEYS[5])
local held = waiting_ms > 0 and waiting_ms <= 1000 and 2 or 1
if #order_nos == 0 then return { held, '' } end

local reservations = redis.call('HMGET', KEYS[2], unpack(order_nos))
local users = {}
-- From the start: a pattern that ends at the end is tried from every character, which took 8 µs a reservation.
for i, reservation in ipairs(reservations) do users[i] = string.match(reservation, '^%S+ %S+ %S+ %S+ (%S+)$') end
local lines = {}
for i, owner in ipairs(redis.call('HMGET', KEYS[4], unpack(users))) do
  lines[i] = order_nos[i] .. ' ' .. reservations[i] .. ' ' .. (owner or '-')
end

local newest_ms = string.match(reservations[#reservations], '^%d+')
local taken_until_ms = redis.call('HGET', KEYS[6], 'taken_until_ms') or '0'
if tonumber(taken_until_ms) < tonumber(newest_ms) then redis.call('HSET', KEYS[6], 'taken_until_ms', newest_ms) end
-- A text is one reply to read, where a list is one for each line.
return { held, table.concat(lines, '\n') }
