-- Puts right since when a sale has a reservation, where the shard's outbox does not know of it: that of an older version, or one that was
-- changed by hand.
--
-- KEYS  1 reserved_at  2 outbox of the shard
-- ARGV  1 sale
-- Out   1
note_oldest(KEYS[2], ARGV[1], KEYS[1])
return 1
