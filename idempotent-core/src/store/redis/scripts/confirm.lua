#!lua flags=allow-oom
-- KEYS: the record. ARGV: token, grace in ms: it has lapsed when no more is left.
-- Writes a reservation anew, exactly as it is, so that replicas can be waited for.
-- Answers 1: written. 0: no such reservation is left.
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
