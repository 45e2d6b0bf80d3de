-- KEYS: index, log, rows that an earlier call did not find. ARGV: their ids.
for i = 3, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then
    redis.call('ZREM', KEYS[2], ARGV[i - 2])
    redis.call('HDEL', KEYS[1], ARGV[i - 2])
  end
end
return {'applied'}
