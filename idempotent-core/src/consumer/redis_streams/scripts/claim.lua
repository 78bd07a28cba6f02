-- KEYS: the stream, the delayed entries. ARGV: group, consumer, how long an entry is idle before it is claimed (ms),
-- cursor, and how many at most.
-- Returns the next cursor, the claimed entries (id, count of deliveries, fields), the ids whose messages were trimmed
-- away, and how many messages the group has not read, -1 if that is not known.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local min_idle = tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local found = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], min_idle, ARGV[4], 'COUNT', ARGV[5])
local claimed = {}
for _, entry in ipairs(found[2]) do
  local id = entry[1]
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  local due = redis.call('ZSCORE', KEYS[2], id)
  if due then
    -- Its pause is longer than entries may be idle. This was no delivery.
    local idle = math.max(0, min_idle - (tonumber(due) - now))
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'IDLE', idle, 'RETRYCOUNT', pending[4] - 1, 'JUSTID')
  else
    claimed[#claimed + 1] = {id, pending[4], entry[2]}
  end
end
local lag = -1
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local is_ours = false
  for i = 1, #group, 2 do
    if group[i] == 'name' then
      is_ours = group[i + 1] == ARGV[1]
    elseif group[i] == 'lag' and is_ours and group[i + 1] then
      lag = group[i + 1]
    end
  end
end
return {found[1], claimed, found[3], lag}
