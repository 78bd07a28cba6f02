-- KEYS: the record. Returns the record and its PTTL, or false if there is none.
local found = redis.call('GET', KEYS[1])
return found and {found, redis.call('PTTL', KEYS[1])}
