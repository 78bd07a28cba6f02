-- KEYS: the record, and its journal: a hash of entries by their steps, and of its name. ARGV: the reservation with the
-- journal, the journal's name, 1 if the lease must not have lapsed, what may stand there before (0 nothing, 1 anything, 2
-- exactly this), this, the step, its entry, and pairs of other steps and their entries.
-- Returns 1: written. 0: the record is no such reservation. 2: another entry stands there. 3: the journal is missing.
local head = redis.call('GETRANGE', KEYS[1], 0, 39)
if not is_reservation(head) then
  return 0
end
local record, name, begins, may_replace, replaced, step, entry = unpack(ARGV, 1, 7)
local stored_name, there = unpack(redis.call('HMGET', KEYS[2], 'name', step), 1, 2)
local is_own = string.sub(head, 5, 20) == string.sub(record, 5, 20)
if is_own and begins == '1' then
  local left = redis.call('PTTL', KEYS[1])
  is_own = left < 0 or left > grace_of(head)
end
if not is_own then
  -- A late owner settles the step that it began itself, and nothing else.
  local settles = may_replace == '2' and begins == '0' and there == replaced
  if has_journal(head) and stored_name == name and (settles or there == entry) then
    redis.call('HSET', KEYS[2], step, entry)
    return 1
  end
  return 0
end
if not has_journal(head) then
  if may_replace == '2' then
    return 2
  end
  -- One that its record did not take along when the server lost it.
  redis.call('UNLINK', KEYS[2])
  redis.call('HSET', KEYS[2], 'name', name)
  there = false
  local left = redis.call('PTTL', KEYS[1])
  if left >= 0 then
    local lifetime = math.max(left - grace_of(head) + grace_of(record), 1)
    redis.call('SET', KEYS[1], record, 'PX', lifetime)
    redis.call('PEXPIRE', KEYS[2], lifetime)
  else
    redis.call('SET', KEYS[1], record)
  end
elseif stored_name ~= name then
  return 3
end
for at = 8, #ARGV, 2 do
  redis.call('HSETNX', KEYS[2], ARGV[at], ARGV[at + 1])
end
local may = may_replace == '1' or (may_replace == '0' and not there) or (may_replace == '2' and there == replaced)
if not may and there ~= entry then
  return 2
end
redis.call('HSET', KEYS[2], step, entry)
return 1
