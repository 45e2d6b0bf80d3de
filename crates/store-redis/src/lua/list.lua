
-- KEYS: index, epochs. ARGV: subject, tag, prefix of rows, identity of the store.
if not belongs(KEYS[2], ARGV[4]) then
  return {'emptied'}
end
local found = {}
local entries = call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
  local row = entries[i + 1] == ARGV[2] and read(ARGV[3] .. entries[i], KEYS[2])
  if row and row.fault then
    return row.fault
  end
  if row and row.subject == ARGV[1] then
    found[#found + 1] = {row.id, row.flat}
  end
end
return {'found', found}
