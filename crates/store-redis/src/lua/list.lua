
-- KEYS: index, epochs, rows that an earlier call did not find. ARGV: subject, tag, prefix of rows, identity of the store.
if not belongs(KEYS[2], ARGV[4]) then
  return {'emptied'}
end
local found, absent, gone = {}, {}, nowhere(3)
local entries = call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
  local key = ARGV[3] .. entries[i]
  local row = entries[i + 1] == ARGV[2] and read(key, KEYS[2])
  if row and row.fault then
    return row.fault
  end
  if row and row.subject == ARGV[1] then
    found[#found + 1] = {row.id, row.flat}
  elseif row == nil and gone[key] then
    call('HDEL', KEYS[1], entries[i])
  elseif row == nil then
    absent[#absent + 1] = entries[i]
  end
end
if #absent > 0 then
  return {'absent', absent}
end
return {'found', found}
