
-- Writes a new state and further fields of a row, and moves its end where that has moved.
-- Whatever prefix of this is done, the row is the old one or the new one, and Redis does not
-- delete it before the end that it shows.
local function commit(row, data, now, state, changed)
  local before, after = number(field(row, STATE), 26, 5), number(state, 26, 5)
  if after > before then
    keep(after - now, row.key, data)
  end
  put(row, STATE, state)
  for i = 1, #changed, 2 do
    put(row, changed[i], changed[i + 1])
  end
  call('HSET', row.key, STATE, state, unpack(changed))
  if after < before then
    keep(after - now, row.key, data)
  end
end

-- Tells every node that a row was changed, and is of this generation now.
local function announce(row, generation)
  call('PUBLISH', row.key:match('^[^{]*') .. ':ended', 'changed' .. row.id .. generation)
end
