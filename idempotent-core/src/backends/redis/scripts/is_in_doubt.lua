-- Whether a scan for what is in doubt must show the call of a journal. KEYS: the journal.
-- Returns 1 if a step of it is in doubt, or an entry is of another version; or if it is missing. 0 otherwise.
local cursor, is_missing = '0', true
repeat
  local page = redis.call('HSCAN', KEYS[1], cursor, 'COUNT', '500')
  cursor = page[1]
  local fields = page[2]
  for at = 1, #fields, 2 do
    is_missing = false
    if fields[at] ~= 'name' then
      local layout, status, flags = string.byte(fields[at + 1], 1, 3)
      if layout ~= 1 or status == 0 or flags > 15 then
        return 1
      end
    end
  end
until cursor == '0'
return is_missing and 1 or 0
