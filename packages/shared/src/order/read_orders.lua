-- What Redis has of orders of one sale, at one instant.
--
-- The other KEYS: the settled record of the order's batch and the mark of each order
-- The other ARGV: batch number and order number of each order
-- Out   {1 if the sale is ready in this history of Redis, else 0; then of each order:
--       'queued <1 if the order may already be in the ledger, else 0> <admitted_ms> <price_cents>
--       <user> …' | 'settled <admitted_ms> <price_cents> <user> <status>' | 'ledger': only the ledger
--       has its status | '': Redis does not have it}
local state_key, batches_key = KEYS[1], KEYS[2]
local FIXED_KEYS = 2

local state = redis.call('HMGET', state_key, 'ready', 'history_id', 'taken_until_ms')
local here = history_id()
local ready = state[1] == '1' and state[2] == here
local taken_until_ms = tonumber(state[3]) or 0

local waiting, settled = {}, {}

local function queued(batch_no, order_no)
  if waiting[batch_no] == nil then waiting[batch_no] = redis.call('HGET', batches_key, batch_no) end
  local record = waiting[batch_no]
  local line = record and line_of(record, order_no)
  if not line then return nil end
  local admitted_ms, price_cents = string.match(record, '^(%d+) (%d*) ')
  local may_be_written = not ready or tonumber(admitted_ms) <= taken_until_ms
  return table.concat({ 'queued', may_be_written and '1' or '0', admitted_ms, price_cents, line }, ' ')
end

local function settled_as(key, order_no)
  if settled[key] == nil then settled[key] = redis.call('GET', key) end
  local record = settled[key]
  local line = record and line_of(record, order_no)
  if not line then return nil end
  local recorded_in, facts = string.match(record, '^(%S+) ([^\n]*)')
  if line == '-' or recorded_in ~= short(here) then return 'ledger' end
  return table.concat({ 'settled', facts, line }, ' ')
end

local out = { ready and 1 or 0 }
for i = 1, #ARGV / 2 do
  local settled_key, changed_key = KEYS[FIXED_KEYS + 2 * i - 1], KEYS[FIXED_KEYS + 2 * i]
  local batch_no, order_no = ARGV[2 * i - 1], ARGV[2 * i]
  out[i + 1] = redis.call('EXISTS', changed_key) == 1 and 'ledger'
    or queued(batch_no, order_no)
    or settled_as(settled_key, order_no)
    or ''
end
return out
