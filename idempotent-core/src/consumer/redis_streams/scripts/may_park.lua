-- KEYS: the stream. ARGV: group, id, consumer, and which of the entry's deliveries this is.
-- Returns 1 if the entry may be copied to the dead letters. 0: it is settled, or another consumer's.
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)[1]
if pending then
  return (pending[2] == ARGV[3] and pending[4] == tonumber(ARGV[4])) and 1 or 0
end
-- What was trimmed away is not pending any more, and may have no copy yet.
return redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1] and 0 or 1
