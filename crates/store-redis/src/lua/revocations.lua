
-- KEYS: log, epochs, rows that an earlier call did not find. ARGV: since, prefix of rows. Gives instants and ids
-- by turns.
local found, absent, gone = {}, {}, nowhere(3)
for _, id in ipairs(call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf')) do
  local key = ARGV[2] .. id
  local row = read(key, KEYS[2])
  if row == nil and not gone[key] then
    absent[#absent + 1] = id
  elseif row and not row.fault and row.at[ENDED] then
    local at = number(field(row, ENDED), 1, 5)
    if at >= tonumber(ARGV[1]) then
      found[#found + 1] = at
      found[#found + 1] = id
    end
  end
end
if #absent > 0 then
  return {'absent', absent}
end
return {'found', found}
