
-- KEYS: row, epochs, data, log. ARGV: end, instant and reason of the ending, channel.
local row = read(KEYS[1], KEYS[2])
if not row then
  return {'absent'}
end
if row.fault then
  return row.fault
end
local before = row.at[ENDED]
local ended = before and field(row, ENDED) or ARGV[2]
local at = number(ended, 1, 5)
if row.unsettled or not before then
  local state = field(row, STATE)
  if not before then
    state = state:sub(1, 25) .. ARGV[1] .. state:sub(31)
  end
  local seconds = number(state, 26, 5) - at
  log(KEYS[4], at, seconds, {row.id}, KEYS[1]:sub(1, -19))
  finish(row, KEYS[3], state, ended, seconds)
end
-- Told again where it was ended before: that call may have been cut off before it told it.
call('PUBLISH', ARGV[3], ended:sub(1, 5) .. row.id)
return {before and 'already' or 'applied', row.flat}
