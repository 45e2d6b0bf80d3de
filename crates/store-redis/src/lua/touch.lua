
-- KEYS: row, epochs, data. ARGV: now, generation, slide, last use, proof.
local row = read(KEYS[1], KEYS[2])
if not row then
  return {'absent'}
end
if row.fault then
  return row.fault
end
local now, state = tonumber(ARGV[1]), field(row, STATE)
local holds = state:sub(3, 10) == ARGV[2]
  and number(state, 16, 5) <= number(ARGV[3], 1, 5)
  and live(row, now)
  and proven(row, ARGV[5])
if not holds then
  return {'missed', row.flat}
end
commit(row, KEYS[3], now, state:sub(1, 15) .. ARGV[3]:sub(1, 5) .. state:sub(21, 25) .. ARGV[3]:sub(6, 10)
  .. ARGV[4] .. state:sub(36), {})
return {'applied', row.flat}
