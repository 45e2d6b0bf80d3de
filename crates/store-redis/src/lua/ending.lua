
-- Writes endings: the log first, so that whatever is ended stands in it.
local function log(key, at, seconds, ids, prefix)
  -- Before others go: a key whose last entry goes is none, and while its slot moves it could not be made again.
  for _, id in ipairs(ids) do
    call('ZADD', key, at, id)
  end
  if call('TTL', key) < seconds then
    keep(seconds, key)
  end
  -- Entries whose tombstones Redis has deleted go as new ones come: old ones alone, since the row of
  -- another may be on its way here with its slot.
  local old = at - 2 * math.max(seconds, 3600)
  for _, other in ipairs(call('ZRANGEBYSCORE', key, '-inf', old, 'LIMIT', 0, #ids + 1)) do
    if redis.pcall('EXISTS', prefix .. other) == 0 then
      call('ZREM', key, other)
    end
  end
end

local function finish(row, data, state, ended, seconds)
  put(row, STATE, state)
  put(row, ENDED, ended)
  call('HSET', row.key, STATE, state, ENDED, ended)
  keep(seconds, row.key)
  -- Most sessions have none. What has gone ahead lasts for as long as it would have.
  try('EXPIRE', data, lasting(seconds))
end
