-- KEYS: indexes of due calls. ARGV: the least due time or -inf, and how many entries at most. In a cluster there are no
-- KEYS, since the indexes have different slots: ARGV then has what comes before a slot's tag, the tags of three
-- characters each, and what comes after it, for each operation.
-- Returns of the entries that are due each with its due time, those that came first first.
local least, most, time, found = ARGV[1], tonumber(ARGV[2]), now(), {}
local function is_sooner(one, other)
  if one[2] == other[2] then
    return one[1] < other[1]
  end
  return one[2] < other[2]
end
-- Keeps those that came first. A server has thousands of indexes, and each may have as many entries as are asked for.
local function truncate()
  table.sort(found, is_sooner)
  for at = #found, most + 1, -1 do
    found[at] = nil
  end
end
local function look(index)
  local page = redis.pcall('ZRANGEBYSCORE', index, least, time, 'WITHSCORES', 'LIMIT', 0, most)
  -- While a slot moves, some of its keys are elsewhere already.
  if not page.err then
    for at = 1, #page, 2 do
      found[#found + 1] = {page[at], tonumber(page[at + 1])}
    end
    if #found > 4 * most then
      truncate()
    end
  end
  return page
end
for _, index in ipairs(KEYS) do
  local page = look(index)
  if page.err then
    return page
  end
end
for operation = 5, #ARGV do
  for tag = 1, #ARGV[4], 3 do
    look(ARGV[3] .. string.sub(ARGV[4], tag, tag + 2) .. ARGV[operation])
  end
end
truncate()
local answer = {}
for at = 1, #found do
  answer[#answer + 1] = found[at][1]
  answer[#answer + 1] = found[at][2]
end
return answer
