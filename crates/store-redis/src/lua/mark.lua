-- KEYS: epochs. ARGV: identity of the store, identity that it may replace or ''.
local found = redis.call('HGET', KEYS[1], '\0')
if found and found ~= ARGV[1] and found ~= ARGV[2] then
  return {'other'}
end
if found ~= ARGV[1] then
  redis.call('HSET', KEYS[1], '\0', ARGV[1])
end
return {'applied'}
