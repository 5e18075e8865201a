-- Sets the time of a sale's oldest batch in the shard's outbox, if it is missing there: an
-- older version did not write it, or it was changed by hand.
--
-- Out   1
local batch_times_key, outbox_key = KEYS[1], KEYS[2]
local sale = ARGV[1]

note_oldest(outbox_key, sale, batch_times_key)
return 1
