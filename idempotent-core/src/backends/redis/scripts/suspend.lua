-- KEYS: the record, and its journal. ARGV: token, the record to write, 1 if the lease ends now, the record to write in
-- place of a reservation without a journal or nothing to release it, and triples: a step, the entry that is replaced,
-- and by which.
-- Returns 1: written. 0: there is no such reservation, or it has a journal that the record to write does not know.
local head = redis.call('GETRANGE', KEYS[1], 0, 38)
if not is_reservation(head) or string.sub(head, 5, 20) ~= ARGV[1] then
  return 0
end
local keeps, record = has_journal(head), ARGV[2]
-- Whoever knows of no journal leaves one alone.
if keeps and not has_journal(record) then
  return 0
end
if not keeps then
  record = ARGV[4]
  if record == '' then
    redis.call('DEL', KEYS[1])
    return 1
  end
end
local left, ends_now = redis.call('PTTL', KEYS[1]), ARGV[3] == '1'
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
    return 1
  end
  redis.call('SET', KEYS[1], record, 'PX', lifetime)
  if keeps then
    redis.call('PEXPIRE', KEYS[2], lifetime)
  end
end
if keeps then
  for at = 5, #ARGV, 3 do
    if redis.call('HGET', KEYS[2], ARGV[at]) == ARGV[at + 1] then
      redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 2])
    end
  end
end
return 1
