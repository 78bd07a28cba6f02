-- Ends a journal with its record: by a time, as the clock of Redis 7.0 goes on between two lifetimes that one script sets.
local function expire_together(record, journal)
  redis.call('PEXPIREAT', journal, redis.call('PEXPIRETIME', record))
end

