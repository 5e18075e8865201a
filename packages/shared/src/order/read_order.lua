-- What Redis has of one order, at one instant.
--
-- Out   {1 if the sale is ready in this history of Redis, else 0; its reservation or false;
--       its status, '-' if only the ledger has it, or false;
--       1 if the reserved order may already be in the ledger, else 0}
local state_key, reservations_key, status_key = KEYS[1], KEYS[2], KEYS[3]
local order_no = ARGV[1]

local state = redis.call('HMGET', state_key, 'ready', 'history_id', 'taken_until_ms')
local here = history_id()
local ready = state[1] == '1' and state[2] == here
local reservation = redis.call('HGET', reservations_key, order_no)
local admitted_ms = reservation and tonumber(string.match(reservation, '^%d+')) or 0
local may_be_written = not ready or admitted_ms <= (tonumber(state[3]) or 0)
local status = redis.call('GET', status_key)
if status then
  local recorded_by, order = string.match(status, '^%d+ (%S+) ?(.*)$')
  status = recorded_by == short(here) and order or '-'
end
return { ready and 1 or 0, reservation, status, may_be_written and 1 or 0 }
