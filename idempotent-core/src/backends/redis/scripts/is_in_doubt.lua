-- Whether a scan for what is in doubt must show the call of a journal. KEYS: the journal.
-- Returns 0 if no step of it is in doubt and every entry has a layout, a status and flags that this version knows. 1
-- otherwise, also if it is missing: whoever loads it then sees what is the matter.
local cursor, is_missing = '0', true
repeat
  local page = redis.call('HSCAN', KEYS[1], cursor, 'COUNT', '500')
  cursor = page[1]
  local fields = page[2]
  for at = 1, #fields, 2 do
    is_missing = false
    if fields[at] ~= 'name' then
      local layout, status, flags = string.byte(fields[at + 1], 1, 3)
      if layout ~= 1 or status == 0 or (status > 6 and status ~= 128) or flags > 15 then
        return 1
      end
    end
  end
until cursor == '0'
return is_missing and 1 or 0
