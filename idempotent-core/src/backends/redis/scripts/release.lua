-- KEYS: the record, and for a call with an input its index of due calls. ARGV: token, 1 if a lapsed reservation is
-- released too, and its entry in the index.
-- Returns 1: released. 0: there is no such reservation, or its call has progress.
local head = redis.call('GETRANGE', KEYS[1], 0, 39)
if not is_reservation(head) or string.sub(head, 5, 20) ~= ARGV[1] or has_progress(head) then
  return 0
end
local left = redis.call('PTTL', KEYS[1])
if ARGV[2] == '0' and left >= 0 and left <= grace_of(head) then
  return 0
end
if KEYS[2] then
  redis.call('ZREM', KEYS[2], ARGV[3])
end
return redis.call('DEL', KEYS[1])
