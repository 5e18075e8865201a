-- Joins a batch of shoppers to the waiting room of a sale, in order. Before the start it sets the
-- bit of each early place. From the start on it gives late places in the order of arrival.
--
-- A shopper who joins again gets the earlier result while it is remembered: for at least one time
-- window. A result is in the hash of the window in which it was given. A hash expires one window
-- after its own window has ended, so three names used in turn are enough. If the clock was set
-- back, a result may be in any of the three, so all are read.
--
-- history      the history of Redis in which the caller learned the time
-- deadline_ms  by this Redis's clock
-- slots        the slot of each shopper's early place, separated by spaces
-- shopper_numbers  a number for each shopper, which nobody can choose
-- parts        the parts of one shopper in a late place
-- group_count  how many groups of shoppers there are: each counts once in the late line
-- window_ms    how long a time window is
-- Out   'early' (all of them) | for each shopper 'e' or a late place, in parts of a shopper, separated
--       by spaces | 'not_ready' | 'ended' | 'late' (it is too late for this call, which has changed
--       nothing)
local state_key, room_key, early_key, late_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local joined_keys = { KEYS[5], KEYS[6], KEYS[7] }
local history, deadline_ms, slots, shopper_numbers = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local parts, group_count, window_ms = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

if is_late(history, deadline_ms) then return 'late' end
local state = redis.call('HMGET', state_key, 'ready', 'history_id', 'start_ms', 'end_ms')
local room = redis.call('HMGET', room_key, 'history_id', 'drawn', 'late', 'late_seen')
if state[1] ~= '1' or state[2] ~= history or room[1] ~= history then return 'not_ready' end
local now = math.floor(now_us() / 1000)
if now >= tonumber(state[4]) then return 'ended' end

local shoppers = {}
for shopper in string.gmatch(shopper_numbers, '%d+') do shoppers[#shoppers + 1] = shopper end

-- Sets a bit for each number. Returns the bits from before.
local function set_bits(key, numbers)
  local call = { 'BITFIELD', key }
  for _, number in ipairs(numbers) do
    call[#call + 1], call[#call + 2], call[#call + 3], call[#call + 4] = 'SET', 'u1', number, 1
  end
  return redis.call(unpack(call))
end

local function remember(fields)
  local window = math.floor(now / window_ms)
  local key, ends_ms = joined_keys[window % #joined_keys + 1], (window + 2) * window_ms
  redis.call('HSET', key, unpack(fields))
  if redis.call('PTTL', key) < ends_ms - now then redis.call('PEXPIREAT', key, ends_ms) end
end

-- After the draw the early line does not change, even if the clock is set back.
local start_ms = tonumber(state[3])
if room[2] ~= '1' and now < start_ms then
  local numbers, fields = {}, {}
  for slot in string.gmatch(slots, '%d+') do numbers[#numbers + 1] = slot end
  set_bits(early_key, numbers)
  -- If the answer is lost, the next attempt may come after the start.
  if start_ms - now < window_ms then
    for _, shopper in ipairs(shoppers) do fields[#fields + 1], fields[#fields + 2] = shopper, 'e' end
    remember(fields)
  end
  return 'early'
end

local place_of = {}
for _, key in ipairs(existing(joined_keys)) do
  for i, place in ipairs(redis.call('HMGET', key, unpack(shoppers))) do
    if place then place_of[shoppers[i]] = place end
  end
end
local newcomers, groups = {}, {}
for _, shopper in ipairs(shoppers) do
  if not place_of[shopper] then
    place_of[shopper] = ''
    newcomers[#newcomers + 1], groups[#groups + 1] = shopper, tonumber(shopper) % group_count
  end
end
if #newcomers > 0 then
  local late, seen, fields = tonumber(room[3]) or 0, tonumber(room[4]) or 0, {}
  for i, bit in ipairs(set_bits(late_key, groups)) do
    local place = string.format('%.0f', late)
    place_of[newcomers[i]], fields[2 * i - 1], fields[2 * i] = place, newcomers[i], place
    if bit == 0 then
      -- A shopper of a group whose bit is set is not seen as new. So each shopper who is seen also
      -- counts for the share of them that is expected.
      late = late + math.floor(parts * group_count / math.max(1, group_count - seen))
      seen = seen + 1
    else
      -- The group is counted already. The place is behind all who came before. The line must grow,
      -- or the gate could not pass the place.
      late = late + 1
    end
  end
  redis.call('HSET', room_key, 'drawn', '1', 'late', string.format('%.0f', late), 'late_seen', seen)
  remember(fields)
end
local places = {}
for i, shopper in ipairs(shoppers) do places[i] = place_of[shopper] end
return table.concat(places, ' ')
