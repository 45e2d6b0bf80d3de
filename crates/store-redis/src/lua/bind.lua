
-- KEYS: row, epochs, data. ARGV: now, binding that it must have, binding that it becomes; no bytes for none.
local row = read(KEYS[1], KEYS[2])
if not row then
  return {'absent'}
end
if row.fault then
  return row.fault
end
local now = tonumber(ARGV[1])
local found = row.at[BINDING] and field(row, BINDING) or ''
if found ~= ARGV[2] or not live(row, now) then
  return {'missed', row.flat}
end
commit(row, KEYS[3], now, field(row, STATE), {BINDING, ARGV[3]})
announce(row, field(row, STATE):sub(3, 10))
return {'applied', row.flat}
