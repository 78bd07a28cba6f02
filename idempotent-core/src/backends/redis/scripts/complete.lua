-- KEYS: the record, its journal if it may have one, and for a call with an input its index of due calls. ARGV: the
-- completed record, its ttl in ms, two digits: whether to record it if there is no record, and whether to write a
-- completed record again, unchanged; the head of the reservation, as its owner knows it; and its entry in the index.
-- Returns 1: recorded. 0: there is no record. 2: nothing was done, for want of the journal's key. Otherwise the record
-- that is there, and its PTTL.
-- Most calls end as they were reserved, and the head says whether there is a journal.
if not KEYS[3] and redis.call('GETRANGE', KEYS[1], '0', '39') == ARGV[4] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  if KEYS[2] then
    redis.call('UNLINK', KEYS[2])
  end
  return 1
end
local found = redis.call('GET', KEYS[1])
if not found then
  if string.sub(ARGV[3], 1, 1) == '0' then
    return 0
  end
elseif string.sub(found, 5, 20) ~= string.sub(ARGV[1], 5, 20) then
  return {found, redis.call('PTTL', KEYS[1])}
elseif string.byte(found, 2) ~= 0 then
  if string.sub(ARGV[3], 2, 2) == '1' then
    local ends = redis.call('PEXPIRETIME', KEYS[1])
    if ends >= 0 then
      redis.call('PEXPIREAT', KEYS[1], ends)
    else
      redis.call('SETRANGE', KEYS[1], 0, string.sub(found, 1, 1))
    end
  end
  return 1
elseif not KEYS[2] and bit.band(string.byte(found, 39), 4) ~= 0 then
  return 2
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if KEYS[2] then
  redis.call('UNLINK', KEYS[2])
end
if KEYS[3] then
  redis.call('ZREM', KEYS[3], ARGV[5])
end
return 1
