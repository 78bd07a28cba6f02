-- Puts right an entry of the index whose call was not suspended when it was due. KEYS: the record, and its index of due
-- calls. ARGV: its entry there.
-- Returns 1: the entry comes later. 0: it is gone, as is its call. 2: it stays as it is.
local head = redis.call('GETRANGE', KEYS[1], 0, 39)
if head ~= '' and string.byte(head, 1) ~= 2 then
  -- Another version may know it.
  return 2
end
if not (is_reservation(head) and has_input(head) and string.byte(head, 3) == 3) then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return 0
end
local left = redis.call('PTTL', KEYS[1])
-- A key that somebody made persistent never lapses.
local lease = left < 0 and 3600000 or left - grace_of(head)
if lease <= 0 then
  return 2
end
redis.call('ZADD', KEYS[2], 'XX', now() + lease, ARGV[1])
return 1
