-- KEYS: the record, its journal, and for a call with an input its index of due calls. ARGV: token, the record to write, 1
-- if the lease ends now, the record to write in place of a reservation without a journal or nothing to release it, and
-- triples: a step, the entry that is replaced, and by which. For a call with an input at last: in how many ms it is due or
-- nothing, and its entry in the index. A record that waits for steps suspends at once if none of them is in doubt.
-- Returns 1: written, now or before. 0: there is no such reservation, or it has a journal that the record to write does not know.
local head = redis.call('GETRANGE', KEYS[1], 0, 39)
if not is_reservation(head) then
  return 0
end
local token = string.sub(head, 5, 20)
if token ~= ARGV[1] then
  -- This came before, and fenced the owner: what it wrote then may not be on the replicas yet.
  if token ~= string.sub(ARGV[2], 5, 20) then
    return 0
  end
  write_again(KEYS[1], head)
  return 1
end
local keeps, record, ends_now = has_journal(head), ARGV[2], ARGV[3] == '1'
local triples_end = KEYS[3] and #ARGV - 2 or #ARGV
local function set_due(due_in)
  if not KEYS[3] then
    return
  elseif due_in == '' then
    redis.call('ZREM', KEYS[3], ARGV[#ARGV])
  else
    redis.call('ZADD', KEYS[3], now() + tonumber(due_in), ARGV[#ARGV])
  end
end
-- Whoever knows of no journal leaves one alone.
if keeps and not has_journal(record) then
  return 0
end
if not keeps then
  record = ARGV[4]
  if record == '' then
    if not has_progress(head) then
      redis.call('DEL', KEYS[1])
      set_due('')
      return 1
    end
    -- An earlier run was interrupted: only the lease ends.
    record, ends_now = redis.call('GET', KEYS[1]), true
  end
end
local due_in = ARGV[#ARGV - 1]
if keeps then
  for at = 5, triples_end, 3 do
    if redis.call('HGET', KEYS[2], ARGV[at]) == ARGV[at + 1] then
      redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 2])
    end
  end
  if waits_for_steps(record) and not is_in_doubt(KEYS[2]) then
    record, due_in = string.sub(record, 1, 2) .. '\3' .. string.sub(record, 4), '0'
  end
end
local left = redis.call('PTTL', KEYS[1])
if left < 0 and not ends_now then
  redis.call('SET', KEYS[1], record)
else
  local lease = left < 0 and 0 or left - grace_of(head)
  if ends_now then
    lease = math.min(lease, 0)
  end
  local lifetime = lease + grace_of(record)
  if lifetime <= 0 then
    redis.call('DEL', KEYS[1])
    if keeps then
      redis.call('UNLINK', KEYS[2])
    end
    set_due('')
    return 1
  end
  redis.call('SET', KEYS[1], record, 'PX', lifetime)
  if keeps then
    expire_together(KEYS[1], KEYS[2])
  end
end
set_due(due_in)
return 1
