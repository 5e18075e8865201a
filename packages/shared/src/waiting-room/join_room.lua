-- Joins a batch of shoppers to the waiting room of a sale, in order. Before the start it sets the bit
-- of each early place. From the start on it gives late places in the order of arrival.
--
-- history      the history of Redis in which the caller learned the time
-- deadline_ms  by this Redis's clock
-- slots        the slot of each shopper's early place, separated by spaces
-- groups       the group of each shopper, by which a shopper counts once among the late ones
-- parts        the parts of one shopper in a late place
-- group_count  how many groups there are
-- Out   'early' | the late places separated by spaces, in parts of a shopper | 'not_ready' | 'ended' |
--       'late' (it is too late for this call, which has changed nothing)
local state_key, room_key, early_key, late_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local history, deadline_ms, slots, groups = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local parts, group_count = tonumber(ARGV[5]), tonumber(ARGV[6])

if is_late(history, deadline_ms) then return 'late' end
local state = redis.call('HMGET', state_key, 'ready', 'history_id', 'start_ms', 'end_ms')
local room = redis.call('HMGET', room_key, 'history_id', 'drawn', 'late', 'late_seen')
if state[1] ~= '1' or state[2] ~= history or room[1] ~= history then return 'not_ready' end
local now = math.floor(now_us() / 1000)
if now >= tonumber(state[4]) then return 'ended' end

-- Sets a bit for each number. Returns the bits from before.
local function set_bits(key, numbers)
  local call = { 'BITFIELD', key }
  for number in string.gmatch(numbers, '%d+') do
    call[#call + 1], call[#call + 2], call[#call + 3], call[#call + 4] = 'SET', 'u1', number, 1
  end
  return redis.call(unpack(call))
end

-- Once drawn, the early line stays as it is, also if the clock is set back.
if room[2] ~= '1' and now < tonumber(state[3]) then
  set_bits(early_key, slots)
  return 'early'
end

local late, seen, places = tonumber(room[3]) or 0, tonumber(room[4]) or 0, {}
for i, bit in ipairs(set_bits(late_key, groups)) do
  if bit == 0 then
    places[i] = late
    -- The groups that are taken hide so many shoppers: each one that is seen counts for them too.
    late = late + math.floor(parts * group_count / math.max(1, group_count - seen))
    seen = seen + 1
  else
    -- Joined before, or hidden: at the end of the line, together with the last one.
    places[i] = math.max(0, late - parts)
  end
end
redis.call('HSET', room_key, 'drawn', '1', 'late', string.format('%.0f', late), 'late_seen', seen)
for i, place in ipairs(places) do places[i] = string.format('%.0f', place) end
return table.concat(places, ' ')
