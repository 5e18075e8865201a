-- Returns the oldest reservations of a sale, each with the order that its shopper owns. It first
-- stores the newest admission time among them: a poll for an order up to that time must ask the
-- ledger, because the order may be written from now on.
--
-- skip  how many of the oldest to skip
-- Out   {1, or 2 if another process waits for the lease;
--       one line per reservation: order number, reservation, owner entry or '-'},
--       or {0, ''} if the lease is lost
local lease_key, reservations_key, reserved_at_key, owners_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local waiting_key, state_key = KEYS[5], KEYS[6]
local lease, limit, skip = ARGV[1], ARGV[2], ARGV[3]

if not lease_is_mine(lease_key, lease) then return { 0, '' } end
local order_nos = redis.call('ZRANGE', reserved_at_key, skip, skip + limit - 1)
-- A wait is remembered for much less than 1000 ms. A longer rest is from before the clock was set
-- back.
local waiting_ms = redis.call('PTTL', waiting_key)
local held = waiting_ms > 0 and waiting_ms <= 1000 and 2 or 1
if #order_nos == 0 then return { held, '' } end

local reservations = redis.call('HMGET', reservations_key, unpack(order_nos))
local users = {}
-- The pattern starts at `^`: without it, Lua tries the pattern at every character, which took 8 µs
-- per reservation.
for i, reservation in ipairs(reservations) do users[i] = string.match(reservation, '^%S+ %S+ %S+ %S+ (%S+)$') end
local lines = {}
for i, owner in ipairs(redis.call('HMGET', owners_key, unpack(users))) do
  lines[i] = order_nos[i] .. ' ' .. reservations[i] .. ' ' .. (owner or '-')
end

local newest_ms = string.match(reservations[#reservations], '^%d+')
local taken_until_ms = redis.call('HGET', state_key, 'taken_until_ms') or '0'
if tonumber(taken_until_ms) < tonumber(newest_ms) then redis.call('HSET', state_key, 'taken_until_ms', newest_ms) end
-- One string is one reply for the client to parse; a list would be one reply per line.
return { held, table.concat(lines, '\n') }
