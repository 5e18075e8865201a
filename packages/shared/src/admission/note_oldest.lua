-- Puts right since when a sale has a reservation, where the shard's outbox does not know of it: that of an older version, or one that was
-- changed by hand.
--
-- Out   1
local reserved_at_key, outbox_key = KEYS[1], KEYS[2]
local sale = ARGV[1]

note_oldest(outbox_key, sale, reserved_at_key)
return 1
