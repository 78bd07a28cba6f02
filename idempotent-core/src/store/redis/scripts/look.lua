#!lua flags=no-writes,allow-oom
-- KEYS: the record. Answers what stands there, and its PTTL; false: nothing does.
local found = redis.call('GET', KEYS[1])
return found and {found, redis.call('PTTL', KEYS[1])}
