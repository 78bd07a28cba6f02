-- KEYS: the stream, the delayed entries. ARGV: group, consumer, id, how long the entry is kept from others (ms), how
-- long an entry is idle before it is claimed (ms), and which of its deliveries this is.
-- Returns 1: kept from them. 0: it is another consumer's, or delivered again, or settled. -1: its message was trimmed away.
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)[1]
if not pending or pending[2] ~= ARGV[2] or pending[4] ~= tonumber(ARGV[6]) then
  return 0
end
local delay, min_idle = tonumber(ARGV[4]), tonumber(ARGV[5])
-- At once means for everybody, also where others wait for longer.
local idle = math.max(86400000, min_idle)
if delay > 0 then
  idle = math.max(0, min_idle - delay)
end
if delay > min_idle then
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[2], time[1] * 1000 + math.floor(time[2] / 1000) + delay, ARGV[3])
end
if #redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'IDLE', idle, 'JUSTID') == 0 then
  return -1
end
return 1
