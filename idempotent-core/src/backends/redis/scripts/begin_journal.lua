-- Records the first step of a call that has neither a journal nor an input, and is at least once. KEYS: the record and its
-- journal. ARGV: the reservation with the journal, the journal's name, the step, its entry, and for how many ms the call is
-- kept once it has lapsed.
-- Returns 1: written. 4: nothing was done, as there is no such reservation.
local head = redis.call('GETRANGE', KEYS[1], '0', '39')
-- It is a reservation, which is not kept once it has lapsed: so it has neither. And its token.
if string.sub(head, 2, 3) ~= '\0\0' or string.sub(head, 5, 20) ~= string.sub(ARGV[1], 5, 20) then
  return 4
end
-- A journal is never without its name: it is begun with it, and no command removes a field. So where the name and the
-- step are both new, there was no journal. Otherwise one stands there that belongs to no record, as where the server lost
-- the record that had it. A value of another type is none of ours: the command fails before anything is written.
if redis.call('HSET', KEYS[2], 'name', ARGV[2], ARGV[3], ARGV[4]) ~= 2 then
  redis.call('UNLINK', KEYS[2])
  redis.call('HSET', KEYS[2], 'name', ARGV[2], ARGV[3], ARGV[4])
end
local ends = redis.call('PEXPIRETIME', KEYS[1])
if ends < 0 then
  redis.call('SET', KEYS[1], ARGV[1])
  return 1
end
-- Both by a time, as the clock of Redis 7.0 goes on between two lifetimes that one script sets.
ends = ends + ARGV[5]
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ends)
redis.call('PEXPIREAT', KEYS[2], ends)
return 1
