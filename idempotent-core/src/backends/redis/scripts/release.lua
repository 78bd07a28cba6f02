#!lua flags=allow-oom
-- KEYS: the record. ARGV: token, grace in ms: the reservation has lapsed when no more is left. With -1, a
-- lapsed reservation is released too.
-- Returns 1: released. 0: there is no such reservation.
local head = redis.call('GETRANGE', KEYS[1], 0, 19)
if string.byte(head, 2) ~= 0 or string.sub(head, 5, 20) ~= ARGV[1] then
  return 0
end
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left <= tonumber(ARGV[2]) then
  return 0
end
return redis.call('DEL', KEYS[1])
