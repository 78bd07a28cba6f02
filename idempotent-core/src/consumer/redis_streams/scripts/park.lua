-- KEYS: the stream, the dead letters. ARGV: group, id, consumer, which of the entry's deliveries this is, and the fields of
-- the copy.
-- Returns 1: the copy is there, and the entry is settled. 0: that was so before, or it is another consumer's.
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)[1]
if pending and (pending[2] ~= ARGV[3] or pending[4] ~= tonumber(ARGV[4])) then
  return 0
end
-- What was trimmed away is not pending any more, and has no copy yet.
if not pending and redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1] then
  return 0
end
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 5))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
return 1
