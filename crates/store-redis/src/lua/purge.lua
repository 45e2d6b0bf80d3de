
-- KEYS: log. ARGV: before, most to delete, group to begin with, most to look at, prefixes of
-- index, rows and data. Gives how many were deleted, how many looked at, the group to go on with, and by
-- turns the groups and ids of rows that are not here.
-- What is on its way with its slot is left to a later call.
local deleted, seen, absent = 0, 0, {}
for group = tonumber(ARGV[3]), 63 do
  local index = ARGV[5] .. string.format('%02x', group)
  local ids = redis.pcall('HKEYS', index)
  if elsewhere(ids) then
    ids = {}
  elseif ids.err then
    return ids
  end
  for _, id in ipairs(ids) do
    local key = ARGV[6] .. id
    local state = redis.pcall('HGET', key, STATE)
    if type(state) == 'string' and #state >= 51 and number(state, 26, 5) <= tonumber(ARGV[1]) then
      if deleted == tonumber(ARGV[2]) then
        return {deleted, seen, group, absent}
      end
      -- The index last: what is stored stands in it.
      if not elsewhere(try('DEL', key, ARGV[7] .. id)) then
        try('ZREM', KEYS[1], id)
        call('HDEL', index, id)
        deleted = deleted + 1
      end
    elseif not state and redis.pcall('EXISTS', key) == 0 then
      absent[#absent + 1] = group
      absent[#absent + 1] = id
    end
  end
  seen = seen + #ids
  if seen >= tonumber(ARGV[4]) then
    return {deleted, seen, group + 1, absent}
  end
end
return {deleted, seen, 64, absent}
