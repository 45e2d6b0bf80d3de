
-- KEYS: row, epochs, data. ARGV: now, version as it must be, version and data as they become.
local row = read(KEYS[1], KEYS[2])
if row and row.fault then
  return row.fault
end
if not row or not live(row, tonumber(ARGV[1])) then
  return {'not_live'}
end
local stored = call('GET', KEYS[3])
if (stored and stored:sub(1, 8) or ('\0'):rep(8)) ~= ARGV[2] then
  return {'moved', stored or ''}
end
local left = call('PTTL', KEYS[1])
if left > 0 then
  call('SET', KEYS[3], ARGV[3], 'PX', left)
else
  call('SET', KEYS[3], ARGV[3])
end
return {'applied'}
