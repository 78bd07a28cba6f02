-- Whether a step of a journal is in doubt: the second byte of its entry is 0. What the journal is called is no entry. Of a
-- journal that is missing nobody knows.
local function is_in_doubt(journal)
  local fields = redis.call('HGETALL', journal)
  if #fields == 0 then
    return true
  end
  for at = 1, #fields, 2 do
    if fields[at] ~= 'name' and string.byte(fields[at + 1], 2) == 0 then
      return true
    end
  end
  return false
end

