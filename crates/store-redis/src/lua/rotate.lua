
-- KEYS: row, epochs, data. ARGV: now, generation, token hash, latest rotation or '', slide, slide
-- where remembered, bit of what rotates, new generation and time, new last use and nonce, proof, then
-- fields and values.
local row = read(KEYS[1], KEYS[2])
if not row then
  return {'absent'}
end
if row.fault then
  return row.fault
end
local now, state = tonumber(ARGV[1]), field(row, STATE)
local holds = state:sub(3, 10) == ARGV[2]
  and field(row, HASHES):sub(1, 32) == ARGV[3]
  and (ARGV[4] == '' or number(state, 11, 5) <= tonumber(ARGV[4]))
  and live(row, now)
  and proven(row, ARGV[10])
if not holds then
  return {'missed', row.flat}
end
local kept = state:byte(2) % 8
local slide = kept >= 4 and ARGV[6] or ARGV[5]
local changed, remembers = {unpack(ARGV, 11)}, false
for i = 1, #changed, 2 do
  remembers = remembers or changed[i] == EARLIER_ROTATIONS
end
-- Emptied and not deleted, so that it is one write with the rest.
if row.at[EARLIER_ROTATIONS] and not remembers then
  changed[#changed + 1] = EARLIER_ROTATIONS
  changed[#changed + 1] = ''
end
local rest = surplus(row, changed)
commit(row, KEYS[3], now, state:sub(1, 1) .. string.char(kept + ARGV[7]) .. ARGV[8] .. slide:sub(1, 5)
  .. state:sub(21, 25) .. slide:sub(6, 10) .. ARGV[9] .. state:sub(52), changed)
if #rest > 0 then
  call('HDEL', KEYS[1], unpack(rest))
end
-- What a step-up changes is told to every node (`Changed::announces`).
if ARGV[7] ~= '0' then
  announce(row, ARGV[8]:sub(1, 8))
end
return {'applied', row.flat}
