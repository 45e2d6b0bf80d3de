-- What every script that touches a row begins with. Names and offsets of fields are those of row.rs.
local call = redis.call
local STATE, HASHES, CONSTANT, ENDED, EARLIER_ROTATIONS, BINDING = '1', '2', '4', '7', '8', '9'

-- Whether the bucket still belongs to the store that the caller opened. It does not if Redis was
-- emptied since: then the caller may look for subjects in other buckets than nodes that started later.
local function belongs(epochs, identity)
  return call('HGET', epochs, '\0') == identity
end

-- The keys from `first` on: what is not here is nowhere. While a slot moves to another master some of
-- its keys are still there, or here already, and Redis refuses a script that names one of those.
local function nowhere(first)
  local keys = {}
  for i = first, #KEYS do
    keys[KEYS[i]] = true
  end
  return keys
end

-- The unsigned number of `size` bytes at `first`, big end first.
local function number(bytes, first, size)
  return (struct.unpack('>I' .. size, bytes, first))
end

-- Replaces a field in the row as it was read; nothing is written.
local function put(row, name, value)
  local at = row.at[name]
  if not at then
    at = #row.flat + 2
    row.flat[at - 1] = name
    row.at[name] = at
  end
  row.flat[at] = value
end

local function field(row, name)
  return row.flat[row.at[name]]
end

-- Whether an answer says that a key which the script did not name is on another master: its slot moves.
local function elsewhere(answer)
  return type(answer) == 'table' and answer.err and answer.err:find('non local key', 1, true)
end

-- A call on a key that may not be anywhere. While its slot moves Redis takes that for one which has gone ahead, and
-- the error would end the script half-way.
local function try(...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err and not elsewhere(answer) then
    return call(...)
  end
  return answer
end

-- The row under `key`: nil where there is none, with a `fault` where it cannot be used.
local function read(key, epochs)
  local flat = redis.pcall('HGETALL', key)
  if elsewhere(flat) then
    return nil
  end
  if flat.err then
    return {fault = {'type', key}}
  end
  if #flat == 0 then
    return nil
  end
  local row = {key = key, id = key:sub(-18), flat = flat, at = {}}
  for i = 1, #flat, 2 do
    row.at[flat[i]] = i + 1
  end
  local state, constant = field(row, STATE), field(row, CONSTANT)
  if not (state and constant and field(row, HASHES)) or #state < 51 or state:byte() ~= 1 then
    row.fault = {'fault', key, flat}
    return row
  end
  -- It begins with the subject, whose length comes first. The longest one takes four pieces.
  for piece = 1, 3 do
    constant = constant .. (field(row, CONSTANT .. piece) or '')
  end
  row.subject = constant:sub(2, 1 + constant:byte())
  local epoch = #state > 51 and number(state, 52, 8) or 0
  local record = call('HGET', epochs, row.subject)
  if record and epoch < number(record, 1, 8) and record:sub(14, 31) ~= row.id and not row.at[ENDED] then
    -- A revoke_subject raised the epoch and was cut off before it came to this row: it has ended.
    row.unsettled = true
    put(row, STATE, state:sub(1, 25) .. record:sub(9, 13) .. state:sub(31))
    put(row, ENDED, record:sub(32))
  end
  return row
end

local function live(row, now)
  local state = field(row, STATE)
  return not row.at[ENDED] and now < number(state, 16, 5) and now < number(state, 21, 5)
end

-- Whether the proof of a request is enough for the session's binding: Proof::prefix in token-core.
local function proven(row, proof)
  local binding = row.at[BINDING] and field(row, BINDING) or ''
  return #binding == 0 or binding:byte() < 128 or binding:sub(1, #proof) == proof
end

-- Leaves keys to Redis to delete, an hour from now at the earliest: a clock of ours that is
-- wrong must not delete what was just written.
local function lasting(seconds)
  return math.max(seconds, 3600)
end

local function keep(seconds, ...)
  for _, key in ipairs({...}) do
    call('EXPIRE', key, lasting(seconds))
  end
end
