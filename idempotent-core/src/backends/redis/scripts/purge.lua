-- KEYS: the record, and its journal if it may have one.
-- Returns 1: removed. 0: there was nothing. 2: nothing was done, for want of the journal's key.
local head = redis.pcall('GETRANGE', KEYS[1], 0, 38)
if not KEYS[2] and head ~= '' then
  -- What cannot be read may have a journal.
  local is_readable = type(head) == 'string' and #head > 38 and string.byte(head, 1) == 2
  if not is_readable or has_journal(head) then
    return 2
  end
end
local removed = redis.call('DEL', KEYS[1])
if KEYS[2] then
  redis.call('UNLINK', KEYS[2])
end
return removed
