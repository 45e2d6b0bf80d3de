
-- KEYS: row, epochs, data. ARGV: now, then fields and values.
local row = read(KEYS[1], KEYS[2])
if not row then
  return {'absent'}
end
if row.fault then
  return row.fault
end
local now = tonumber(ARGV[1])
if not live(row, now) then
  return {'missed', row.flat}
end
local changed = {unpack(ARGV, 2)}
local rest = surplus(row, changed)
commit(row, KEYS[3], now, field(row, STATE), changed)
if #rest > 0 then
  call('HDEL', KEYS[1], unpack(rest))
end
announce(row, field(row, STATE):sub(3, 10))
return {'applied', row.flat}
