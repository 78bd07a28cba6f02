#!lua flags=allow-oom
-- KEYS: the record. ARGV: token, grace in ms: the reservation has lapsed when no more is left.
-- Writes a reservation again, unchanged, so that WAIT counts it.
-- Returns 1: written. 0: there is no such reservation.
local head = redis.call('GETRANGE', KEYS[1], 0, 19)
if string.byte(head, 2) ~= 0 or string.sub(head, 5, 20) ~= ARGV[1] then
  return 0
end
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left <= tonumber(ARGV[2]) then
  return 0
end
local ends = redis.call('PEXPIRETIME', KEYS[1])
if ends >= 0 then
  redis.call('PEXPIREAT', KEYS[1], ends)
else
  redis.call('SETRANGE', KEYS[1], 0, string.sub(head, 1, 1))
end
return 1
