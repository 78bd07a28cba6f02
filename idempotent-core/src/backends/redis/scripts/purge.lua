-- KEYS: the record, and its journal and its index of due calls if it may have them. ARGV: its entry in the index.
-- Returns 1: removed. 0: there was nothing. 2: nothing was done, for want of these keys.
local head = redis.pcall('GETRANGE', KEYS[1], 0, 39)
if not KEYS[2] and head ~= '' then
  -- What cannot be read may have both.
  local is_readable = type(head) == 'string' and #head > 39 and string.byte(head, 1) == 2
  if not is_readable or has_journal(head) or has_input(head) then
    return 2
  end
end
local removed = redis.call('DEL', KEYS[1])
if KEYS[2] then
  redis.call('UNLINK', KEYS[2])
  redis.call('ZREM', KEYS[3], ARGV[1])
end
return removed
