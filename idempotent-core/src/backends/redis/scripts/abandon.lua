-- KEYS: the record. ARGV: the record to write, and how many ms of it are left, or nothing: as many as now.
-- Returns 1: written. 0: there is no such reservation, or it has a journal.
local head = redis.call('GETRANGE', KEYS[1], 0, 39)
if not is_reservation(head) or string.sub(head, 5, 20) ~= string.sub(ARGV[1], 5, 20) or has_journal(head) then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
elseif ARGV[2] == '' then
  redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
