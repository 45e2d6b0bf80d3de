-- KEYS: row, data.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {'absent'}
end
return {'found', redis.call('GET', KEYS[2]) or ''}
