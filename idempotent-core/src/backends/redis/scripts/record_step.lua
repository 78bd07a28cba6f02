-- Records a step whose record is known to have its journal. KEYS: the record and its journal. ARGV: the head of the
-- reservation with the journal, the journal's name, the step and its entry.
-- Returns 1: written. 3: the journal is missing. 4: nothing was done, as the record begins otherwise.
if redis.call('GETRANGE', KEYS[1], '0', '39') ~= ARGV[1] then
  return 4
end
-- A journal that is there has its name, so at most the step is new.
if redis.call('HSET', KEYS[2], 'name', ARGV[2], ARGV[3], ARGV[4]) == 2 then
  redis.call('UNLINK', KEYS[2])
  return 3
end
return 1
