-- The counts of several sales of one shard, each at one instant.
--
-- KEYS  for each sale: its state, owners, times of batches, and outcomes
-- Out   {now in ms; for each sale a text}. The text has a line for each of: 1 if the sale is ready in
--       this history of Redis, else 0; available; units held; number of orders in batches; when the
--       oldest batch was admitted, ms, or 0 if there is none; units; then the fields and counts of its
--       outcomes in turn. While nothing happens in a sale, its text stays the same.
local history = history_id()
local figures = { math.floor(now_us() / 1000) }
for key = 1, #KEYS, 4 do
  local state_key, owners_key, batch_times_key, outcomes_key = unpack(KEYS, key, key + 3)
  local state = redis.call('HMGET', state_key, 'ready', 'history_id', 'available', 'backlog', 'total', 'extra_held')
  local lines = {
    state[1] == '1' and state[2] == history and 1 or 0,
    state[3] or 0,
    redis.call('HLEN', owners_key) + (state[6] or 0),
    state[4] or 0,
    redis.call('ZRANGE', batch_times_key, 0, 0, 'WITHSCORES')[2] or 0,
    state[5] or 0,
  }
  -- Append one by one: unpack fails with some thousands of them.
  for _, text in ipairs(redis.call('HGETALL', outcomes_key)) do lines[#lines + 1] = text end
  figures[#figures + 1] = table.concat(lines, '\n')
end
return figures
