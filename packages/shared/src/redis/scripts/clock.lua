-- Tells the time and which Redis process told it.
--
-- KEYS  1 any key (it routes the call to the shard; not read)
-- Out   {now in ms, run id}
return { math.floor(now_us() / 1000), run_id() }
