-- Tells the time, and in which history of Redis it was told.
--
-- KEYS[1] is any key: it routes the call to the shard and is not read.
-- Out   {now in ms, name of the history}
return { math.floor(now_us() / 1000), history_id() }
