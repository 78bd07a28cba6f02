-- Reserves a call with an input. KEYS: the record, and its index of due calls. ARGV: the reservation, its lifetime and
-- its lease in ms, and its entry in the index.
-- Returns the record that is there, or false: reserved.
local found = redis.call('GET', KEYS[1])
if found then
  return found
end
redis.call('ZADD', KEYS[2], now() + tonumber(ARGV[3]), ARGV[4])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
