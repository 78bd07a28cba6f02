-- What the scripts that follow know of a record: bytes 2, 3, 31 to 34, 39 and 40 of its header, which is longer than that.
local function is_reservation(record)
  return #record > 39 and string.byte(record, 2) == 0
end

local function has_journal(record)
  return bit.band(string.byte(record, 39), 4) ~= 0
end

-- Whether a step is recorded, or an earlier run was interrupted.
local function has_progress(record)
  return bit.band(string.byte(record, 39), 6) ~= 0
end

local function has_input(record)
  return bit.band(string.byte(record, 40), 8) ~= 0
end

-- Whether the call waits until no step of its journal is in doubt.
local function waits_for_steps(record)
  return string.byte(record, 3) == 4
end

-- How many ms of a reservation's life are left when it lapses: its retention, if it is kept then.
local function grace_of(record)
  if string.byte(record, 3) == 0 then
    return 0
  end
  return math.min(struct.unpack('<I4', record, 31) * 1000, 3153600000000)
end

