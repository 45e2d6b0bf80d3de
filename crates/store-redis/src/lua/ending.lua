
-- Writes endings: the log first, so that whatever is ended stands in it, and the notice last.
local function log(key, at, seconds, ids, prefix)
  -- Entries whose tombstones Redis has deleted go as new ones come.
  for _, other in ipairs(call('ZRANGE', key, 0, #ids)) do
    if call('EXISTS', prefix .. other) == 0 then
      call('ZREM', key, other)
    end
  end
  for _, id in ipairs(ids) do
    call('ZADD', key, at, id)
  end
  if call('TTL', key) < seconds then
    keep(seconds, key)
  end
end

local function finish(row, data, state, ended, seconds)
  put(row, STATE, state)
  put(row, ENDED, ended)
  call('HSET', row.key, STATE, state, ENDED, ended)
  keep(seconds, row.key, data)
end
