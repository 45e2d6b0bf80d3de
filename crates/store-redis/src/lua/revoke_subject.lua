
-- KEYS: index, epochs, log, rows that an earlier call did not find. ARGV: subject, tag, end, instant and reason of the ending, session
-- that lives on or 18 dots, channel, prefix of rows, prefix of data, identity of the store.
if not belongs(KEYS[2], ARGV[9]) then
  return {'emptied'}
end
local ended, unsettled, told, kept = {}, {}, {}, nil
local absent, surplus, gone = {}, {}, nowhere(4)
local entries = call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
  local key = ARGV[7] .. entries[i]
  local row = entries[i + 1] == ARGV[2] and read(key, KEYS[2])
  if row and row.fault then
    return row.fault
  end
  if row == nil and gone[key] then
    surplus[#surplus + 1] = entries[i]
  elseif row == nil then
    absent[#absent + 1] = entries[i]
  elseif row and row.subject == ARGV[1] then
    if row.unsettled then
      unsettled[#unsettled + 1] = row
    elseif row.id == ARGV[5] then
      kept = row
    elseif not row.at[ENDED] then
      ended[#ended + 1], told[#told + 1] = row, row.id
    end
  end
end
if #absent > 0 then
  return {'absent', absent}
end
for _, id in ipairs(surplus) do
  call('HDEL', KEYS[1], id)
end
-- What an earlier call began is brought to its end, as that call would have.
local finished = {}
for _, row in ipairs(unsettled) do
  finished[#finished + 1] = row.id
  local state, why = field(row, STATE), field(row, ENDED)
  local at = number(why, 1, 5)
  log(KEYS[3], at, number(state, 26, 5) - at, {row.id}, ARGV[7])
  call('PUBLISH', ARGV[6], why:sub(1, 5) .. row.id)
  finish(row, ARGV[8] .. row.id, state, why, number(state, 26, 5) - at)
end
local at = number(ARGV[4], 1, 5)
local seconds = number(ARGV[3], 1, 5) - at
log(KEYS[3], at, seconds, told, ARGV[7])
-- From here on all of them have ended: each script that reads a row reads this too.
local record = call('HGET', KEYS[2], ARGV[1])
local epoch = struct.pack('>I8', (record and number(record, 1, 8) or 0) + 1)
call('HSET', KEYS[2], ARGV[1], epoch .. ARGV[3] .. ARGV[5] .. ARGV[4])
-- So it is told now: a repetition of this call would not find those whose rows say it.
if #told > 0 then
  call('PUBLISH', ARGV[6], ARGV[4]:sub(1, 5) .. table.concat(told))
end
if kept then
  call('HSET', kept.key, STATE, field(kept, STATE):sub(1, 51) .. epoch)
end
for _, row in ipairs(ended) do
  local state = field(row, STATE)
  finish(row, ARGV[8] .. row.id, state:sub(1, 25) .. ARGV[3] .. state:sub(31), ARGV[4], seconds)
end
for _, id in ipairs(told) do
  finished[#finished + 1] = id
end
return {'applied', finished}
