-- KEYS: row, epochs.
local row = read(KEYS[1], KEYS[2])
if not row then
  return {'absent'}
end
return row.fault or {'found', row.flat}
