-- KEYS: the stream. ARGV: group, the consumer that leaves, how the names of such consumers begin, and after what time (ms)
-- one that was heard of last is taken for dead.
-- Removes it and the dead ones from the group, unless entries are pending for them. Returns how many.
local removed = 0
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local its = {}
  for i = 1, #consumer, 2 do
    its[consumer[i]] = consumer[i + 1]
  end
  local is_dead = string.sub(its.name, 1, #ARGV[3]) == ARGV[3] and its.idle >= tonumber(ARGV[4])
  if its.pending == 0 and (its.name == ARGV[2] or is_dead) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], its.name)
    removed = removed + 1
  end
end
return removed
