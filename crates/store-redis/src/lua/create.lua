
-- KEYS: row, epochs, index, data. ARGV: subject, epoch, tag, seconds to keep, token hash, identity of the
-- store, data or nothing, fields and values.
if not belongs(KEYS[2], ARGV[6]) then
  return {'emptied'}
end
local record = call('HGET', KEYS[2], ARGV[1])
local epoch = record and record:sub(1, 8) or ('\0'):rep(8)
if epoch ~= ARGV[2] then
  return {'passed'}
end
if call('EXISTS', KEYS[1]) == 1 then
  -- The same secret: this call may have been made before, and its answer was lost.
  local same = call('HGET', KEYS[1], HASHES) == ARGV[5] and call('HEXISTS', KEYS[1], ENDED) == 0
  return {same and 'again' or 'taken'}
end
-- Looks after the index: two entries of it whose rows Redis has deleted go with each new one. Redis makes no new
-- one while the slot moves, so none of them is on its way.
local prefix, id = KEYS[1]:sub(1, -19), KEYS[1]:sub(-18)
for _, other in ipairs(call('HRANDFIELD', KEYS[3], 2)) do
  if call('EXISTS', prefix .. other) == 0 then
    call('HDEL', KEYS[3], other)
  end
end
-- The index first: a session that is stored can always be found and ended.
call('HSET', KEYS[3], id, ARGV[3])
call('HSET', KEYS[1], unpack(ARGV, 8))
call('EXPIRE', KEYS[1], ARGV[4])
if ARGV[7] ~= '' then
  call('SET', KEYS[4], ARGV[7], 'EX', ARGV[4])
end
return {'applied'}
