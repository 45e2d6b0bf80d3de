
-- The last pieces of a long value that becomes shorter, by the fields that are given.
local function surplus(row, changed)
  local given, found = {}, {}
  for i = 1, #changed, 2 do
    given[changed[i]] = true
  end
  for name in pairs(row.at) do
    if not given[name] and given[name:sub(1, 1)] then
      found[#found + 1] = name
    end
  end
  return found
end
