-- Writes a key again, unchanged, so that WAIT counts it.
local function write_again(key, value)
  local ends = redis.call('PEXPIRETIME', key)
  if ends >= 0 then
    redis.call('PEXPIREAT', key, ends)
  else
    redis.call('SETRANGE', key, 0, string.sub(value, 1, 1))
  end
end

