-- KEYS: the record. ARGV: token. Writes a reservation that has not lapsed again, unchanged, so that WAIT counts it.
-- Returns 1: written. 0: there is no such reservation.
local head = redis.call('GETRANGE', KEYS[1], 0, 39)
if not is_reservation(head) or string.sub(head, 5, 20) ~= ARGV[1] then
  return 0
end
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left <= grace_of(head) then
  return 0
end
write_again(KEYS[1], head)
return 1
