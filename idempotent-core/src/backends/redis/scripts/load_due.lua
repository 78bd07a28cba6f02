-- KEYS: the record, and its index of due calls. ARGV: its entry there.
-- Returns the record, its PTTL, and for how many ms it has been due, negative if it is not yet; without the last if it is
-- not in the index. False if there is no record. All at the same moment: a call may be resumed and declined after a look.
local found = redis.call('GET', KEYS[1])
if not found then
  return false
end
local left, due = redis.call('PTTL', KEYS[1]), redis.call('ZSCORE', KEYS[2], ARGV[1])
return due and {found, left, now() - tonumber(due)} or {found, left}
