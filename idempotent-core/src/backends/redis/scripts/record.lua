-- What the scripts that follow know of a record: bytes 2, 3, 31 to 34 and 39 of its header, which is longer than that.
local HEAD = 38

local function is_reservation(record)
  return #record > HEAD and string.byte(record, 2) == 0
end

local function has_journal(record)
  return bit.band(string.byte(record, 39), 4) ~= 0
end

-- How many ms of a reservation's life are left when it lapses: its retention, if it is kept then.
local function grace_of(record)
  if string.byte(record, 3) == 0 then
    return 0
  end
  return math.min(struct.unpack('<I4', record, 31) * 1000, 3153600000000)
end

-- Writes a key again, unchanged, so that WAIT counts it.
local function write_again(key, value)
  local ends = redis.call('PEXPIRETIME', key)
  if ends >= 0 then
    redis.call('PEXPIREAT', key, ends)
  else
    redis.call('SETRANGE', key, 0, string.sub(value, 1, 1))
  end
end
