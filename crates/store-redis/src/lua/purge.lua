
-- KEYS: log. ARGV: before, most to delete, group to begin with, most to look at, prefixes of
-- index, rows and data. Gives how many were deleted, how many looked at, and the group to go on with.
local deleted, seen = 0, 0
for group = tonumber(ARGV[3]), 63 do
  local index = ARGV[5] .. string.format('%02x', group)
  local ids = call('HKEYS', index)
  for _, id in ipairs(ids) do
    local key = ARGV[6] .. id
    local state = redis.pcall('HGET', key, STATE)
    if type(state) == 'string' and #state >= 51 and number(state, 26, 5) <= tonumber(ARGV[1]) then
      if deleted == tonumber(ARGV[2]) then
        return {deleted, seen, group}
      end
      -- The index last: what is stored stands in it.
      call('DEL', key, ARGV[7] .. id)
      call('ZREM', KEYS[1], id)
      call('HDEL', index, id)
      deleted = deleted + 1
    elseif not state and call('EXISTS', key) == 0 then
      call('ZREM', KEYS[1], id)
      call('HDEL', index, id)
    end
  end
  seen = seen + #ids
  if seen >= tonumber(ARGV[4]) then
    return {deleted, seen, group + 1}
  end
end
return {deleted, seen, 64}
