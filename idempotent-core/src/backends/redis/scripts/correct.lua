-- KEYS: the record. ARGV: the completed record that was seen, the one to write, and its ttl in ms.
-- Returns 1: written. 0: another record is there, or none.
local found = redis.call('GET', KEYS[1])
if (found ~= ARGV[1] and found ~= ARGV[2]) or string.byte(found, 2) == 0 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
