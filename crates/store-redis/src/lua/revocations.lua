
-- KEYS: log, epochs. ARGV: since, prefix of rows. Gives instants and ids by turns.
local found = {}
for _, id in ipairs(call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf')) do
  local row = read(ARGV[2] .. id, KEYS[2])
  if row and not row.fault and row.at[ENDED] then
    local at = number(field(row, ENDED), 1, 5)
    if at >= tonumber(ARGV[1]) then
      found[#found + 1] = at
      found[#found + 1] = id
    end
  end
end
return found
