-- KEYS: the record, and its journal if it may have one. ARGV: token, lease in ms.
-- Returns 1: renewed. 0: there is no such reservation. 2: nothing was done, for want of the journal's key.
local head = redis.call('GETRANGE', KEYS[1], 0, 39)
if not is_reservation(head) or string.sub(head, 5, 20) ~= ARGV[1] then
  return 0
end
local left, grace = redis.call('PTTL', KEYS[1]), grace_of(head)
if left >= 0 and left <= grace then
  return 0
end
local keeps = has_journal(head)
if keeps and not KEYS[2] then
  return 2
end
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[2]) + grace)
if keeps then
  expire_together(KEYS[1], KEYS[2])
end
return 1
