-- Moves batches whose orders are in the ledger out of the outbox, each into one record for pollers,
-- and publishes what it settled, so that waiting polls are answered without another reading. If
-- some orders of a batch are stuck, they stay as a smaller batch. A record names the history of
-- Redis in which it was written: in another history (a log that lost its end, a promoted replica)
-- an order may have changed without this Redis having the mark of it.
--
-- life_ms  how long a settled record is kept
-- The other KEYS: the settled record of each batch
-- The other ARGV: of each batch its number, its admission time and price, one line per settled
-- order
--       (order number, user and status, or order number and `-`: read MySQL), the number of stuck
--       orders and their lines
-- Out   1, or 0 if the lease is lost and nothing was changed
local lease_key, batches_key, batch_times_key, state_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local backlog_key, outbox_key = KEYS[5], KEYS[6]
local lease, life_ms, channel, sale = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local FIXED_KEYS, FIXED_ARGS = 6, 4

if not lease_is_mine(lease_key, lease) then return 0 end

local here = short(history_id())

-- A batch is settled in parts if some of its orders were stuck.
local function with_earlier(key, facts, lines)
  local earlier = redis.call('GET', key)
  if not earlier or string.sub(earlier, 1, #here) ~= here then return here .. ' ' .. facts .. '\n' .. lines end
  if string.find(earlier, lines, 1, true) then return earlier end
  return earlier .. '\n' .. lines
end

local messages, out, settled = {}, {}, 0
for i = 1, #KEYS - FIXED_KEYS do
  local arg = FIXED_ARGS + 5 * (i - 1)
  local batch_no, facts, lines = ARGV[arg + 1], ARGV[arg + 2], ARGV[arg + 3]
  local stuck, stuck_lines = tonumber(ARGV[arg + 4]), ARGV[arg + 5]
  messages[i] = batch_no .. ' ' .. facts .. '\n' .. lines
  if lines ~= '' then
    local key = KEYS[FIXED_KEYS + i]
    redis.call('SET', key, with_earlier(key, facts, lines), 'PX', life_ms)
  end
  local record = redis.call('HGET', batches_key, batch_no)
  if record then
    local waiting = string.match(record, '^%d+ %d* (%d+)\n')
    settled = settled + waiting - stuck
    if stuck == 0 then
      out[#out + 1] = batch_no
    else
      redis.call('HSET', batches_key, batch_no, facts .. ' ' .. stuck .. '\n' .. stuck_lines)
    end
  end
end
if settled > 0 then
  redis.call('DECRBY', backlog_key, settled)
  redis.call('HINCRBY', state_key, 'backlog', -settled)
end
if #out > 0 then
  redis.call('HDEL', batches_key, unpack(out))
  redis.call('ZREM', batch_times_key, unpack(out))
  note_oldest(outbox_key, sale, batch_times_key)
end
redis.call('PUBLISH', channel, table.concat(messages, '\n\n'))
return 1
