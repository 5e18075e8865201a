-- Returns the oldest batches of a sale, and which of their orders do not hold their units. It first
-- stores the newest admission time among them: a poll for an order up to that time must ask the
-- ledger, because the order may be written from now on.
--
-- orders_max  the number of orders of all batches together
-- skip        how many of the oldest batches to skip
-- stuck       how many orders of the sale cannot be written: there is at least one order more,
--             whatever the size of its batch
-- Out   {1, or 2 if another process waits for the lease; 1 if there are more batches, else 0;
--       one line per order that its shopper's owner entry does not name;
--       then number and record of each batch},
--       or {0, 0, ''} if the lease is lost
local lease_key, batches_key, batch_times_key, owners_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local waiting_key, state_key = KEYS[5], KEYS[6]
local lease, orders_max, skip, stuck = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local READ_AT_ONCE = 16

if not lease_is_mine(lease_key, lease) then return { 0, 0, '' } end
-- A wait is remembered for much less than 1000 ms. A longer rest is from before the clock was set
-- back.
local waiting_ms = redis.call('PTTL', waiting_key)
local held = waiting_ms > 0 and waiting_ms <= 1000 and 2 or 1

local out, orders, newest_ms, has_more = { held, 0, '' }, 0, 0, false
repeat
  local batch_nos = redis.call('ZRANGE', batch_times_key, skip, skip + READ_AT_ONCE - 1)
  skip = skip + #batch_nos
  for _, batch_no in ipairs(batch_nos) do
    local record = redis.call('HGET', batches_key, batch_no)
    -- A batch that is missing by a change by hand is left to the auditor.
    if record then
      local admitted_ms, in_batch = string.match(record, '^(%d+) %d* (%d+)\n')
      has_more = orders > stuck and orders + in_batch > orders_max
      if has_more then break end
      orders, newest_ms = orders + in_batch, math.max(newest_ms, tonumber(admitted_ms))
      out[#out + 1], out[#out + 2] = batch_no, record
    end
  end
until has_more or #batch_nos < READ_AT_ONCE
if orders == 0 then return out end

local order_nos, users, entries = {}, {}, {}
for i = 5, #out, 2 do
  for order_no, user, quantity in string.gmatch(out[i], '\n(%S+) (%S+) %S+ ?(%d*)') do
    order_nos[#order_nos + 1], users[#users + 1] = order_no, user
    entries[#entries + 1] = quantity == '' and order_no or order_no .. ':' .. quantity
  end
end
local not_held = {}
for from = 1, #users, 1000 do
  local to = math.min(from + 999, #users)
  for i, owner in ipairs(redis.call('HMGET', owners_key, unpack(users, from, to))) do
    local n = from + i - 1
    if owner ~= entries[n] then not_held[#not_held + 1] = order_nos[n] end
  end
end

local taken_until_ms = tonumber(redis.call('HGET', state_key, 'taken_until_ms')) or 0
if taken_until_ms < newest_ms then redis.call('HSET', state_key, 'taken_until_ms', newest_ms) end
out[2], out[3] = has_more and 1 or 0, table.concat(not_held, '\n')
return out
