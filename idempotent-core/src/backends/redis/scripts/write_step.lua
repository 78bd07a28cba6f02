-- KEYS: the record, its journal: a hash of entries by their steps, and of its name; and for a step that is settled, of a
-- call with an input, its index of due calls. ARGV: the reservation with the journal, the journal's name, 1 if the lease
-- must not have lapsed, what may stand there before (0 nothing, 1 anything, 2 exactly this), this, the step, its entry, and
-- pairs of other steps and their entries. If there is an index, at last its entry there.
-- Returns 1: written. 0: the record is no such reservation. 2: another entry stands there. 3: the journal is missing.
local head = redis.call('GETRANGE', KEYS[1], '0', '39')
if not is_reservation(head) then
  return 0
end
local record, name, begins, may_replace, replaced, step, entry = unpack(ARGV, 1, 7)
local stored_name, there
if has_journal(head) then
  stored_name, there = unpack(redis.call('HMGET', KEYS[2], 'name', step), 1, 2)
end
local pairs_end = KEYS[3] and #ARGV - 1 or #ARGV
-- Whoever settles the last step in doubt suspends the call that waits for it, and it is due.
local function end_wait_for_steps()
  if may_replace == '2' and waits_for_steps(head) and not is_in_doubt(KEYS[2]) then
    redis.call('SETRANGE', KEYS[1], 2, '\3')
    if KEYS[3] then
      redis.call('ZADD', KEYS[3], now(), ARGV[#ARGV])
    end
  end
end
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
    end_wait_for_steps()
    return 1
  end
  return 0
end
local begins_journal = not has_journal(head)
if begins_journal then
  if may_replace == '2' then
    return 2
  end
  -- A journal is never without its name: it is begun with it, and no command removes a field. So where the name and the
  -- step are both new, there was no journal. Otherwise one stands there that belongs to no record, as where the server lost
  -- the record that had it. A value of another type is none of ours: the command fails before anything is written.
  if redis.call('HSET', KEYS[2], 'name', name, step, entry) ~= 2 then
    redis.call('UNLINK', KEYS[2])
    redis.call('HSET', KEYS[2], 'name', name, step, entry)
  end
  local ends = redis.call('PEXPIRETIME', KEYS[1])
  if ends >= 0 then
    redis.call('SET', KEYS[1], record, 'PXAT', ends - grace_of(head) + grace_of(record))
    expire_together(KEYS[1], KEYS[2])
  else
    redis.call('SET', KEYS[1], record)
  end
elseif stored_name ~= name then
  return 3
end
for at = 8, pairs_end, 2 do
  redis.call('HSETNX', KEYS[2], ARGV[at], ARGV[at + 1])
end
if begins_journal then
  return 1
end
local may = may_replace == '1' or (may_replace == '0' and not there) or (may_replace == '2' and there == replaced)
if not may and there ~= entry then
  return 2
end
redis.call('HSET', KEYS[2], step, entry)
end_wait_for_steps()
return 1
