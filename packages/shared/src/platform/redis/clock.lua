-- Returns the time and the history of Redis.
--
-- KEYS[1] is any key of the shard: it routes the call and is not read.
-- Out   {now in ms, name of the history}
return { math.floor(now_us() / 1000), history_id() }
