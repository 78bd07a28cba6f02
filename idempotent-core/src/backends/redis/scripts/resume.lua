-- KEYS: the record, its journal, and for a call with an input its index of due calls. ARGV: the record that was seen, the
-- reservation to write, lease in ms, the journal's name if it has one; in how many ms it is due, and its entry in the
-- index.
-- Returns 1: taken. 0: there is no record. 3: the journal is missing. Otherwise the record that is there, and its PTTL.
local found = redis.call('GET', KEYS[1])
if not found then
  return 0
end
local left = redis.call('PTTL', KEYS[1])
if is_reservation(found) then
  local token, has_lapsed = string.sub(found, 5, 20), left >= 0 and left <= grace_of(found)
  if token == string.sub(ARGV[2], 5, 20) and not has_lapsed then
    write_again(KEYS[1], found)
    return 1
  end
  if found == ARGV[1] and has_lapsed and string.byte(found, 3) == 3 then
    local keeps = has_journal(found)
    if keeps and redis.call('HGET', KEYS[2], 'name') ~= ARGV[4] then
      return 3
    end
    local lifetime = tonumber(ARGV[3]) + grace_of(ARGV[2])
    if KEYS[3] then
      redis.call('ZADD', KEYS[3], now() + tonumber(ARGV[5]), ARGV[6])
    end
    redis.call('SET', KEYS[1], ARGV[2], 'PX', lifetime)
    if keeps then
      expire_together(KEYS[1], KEYS[2])
    end
    return 1
  end
end
return {found, left}
