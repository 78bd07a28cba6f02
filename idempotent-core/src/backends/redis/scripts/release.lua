-- KEYS: the record. ARGV: token, and 1 if a lapsed reservation is released too.
-- Returns 1: released. 0: there is no such reservation, or it has a journal.
local head = redis.call('GETRANGE', KEYS[1], 0, 38)
if not is_reservation(head) or string.sub(head, 5, 20) ~= ARGV[1] or has_journal(head) then
  return 0
end
local left = redis.call('PTTL', KEYS[1])
if ARGV[2] == '0' and left >= 0 and left <= grace_of(head) then
  return 0
end
return redis.call('DEL', KEYS[1])
