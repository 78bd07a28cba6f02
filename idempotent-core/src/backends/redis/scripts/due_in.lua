-- KEYS: the record, and its index of due calls. ARGV: its entry there.
-- Returns in how many ms it is due, or false: not at all.
local head = redis.call('GETRANGE', KEYS[1], 0, 39)
if not (is_reservation(head) and has_input(head)) then
  return false
end
local due = redis.call('ZSCORE', KEYS[2], ARGV[1])
return due and math.max(due - now(), 0)
