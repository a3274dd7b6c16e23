-- Coordination.turns: the same as turns.py. ARGV: node id, total, interval, max_concurrency, daily limit, turn, gather,
-- and the request as JSON. Times are in milliseconds.
local id, total, interval = ARGV[1], ARGV[2], tonumber(ARGV[3])
local max_concurrency = tonumber(redis.call('HGET', keys.gate, 'max_concurrency') or ARGV[4])
local daily_limit, turn, gather = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local request = cjson.decode(ARGV[8])
local is_changed = false

local function split(field)
    local shard, node = string.match(field, '^(%S+) (%S+)$')
    return tonumber(shard), node
end

local function note_sent(shard, node, at)
    redis.call('ZADD', keys.sent, text(at), shard .. ' ' .. node .. ' ' .. text(at))
    redis.call('PEXPIRE', keys.sent, DAY)
end

-- Remove what is over. Times later than the clock allows are set back, as in `no_later_than`.
drop_dead_nodes()
for _, key in ipairs({keys.sent, keys.last_turn}) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now - DAY))
    no_later_than(key, now)
end
local resets_at = tonumber(redis.call('HGET', keys.gate, 'resets_at') or 0)
if resets_at > now + DAY then
    resets_at = now + DAY
    redis.call('HSET', keys.gate, 'resets_at', text(resets_at))
elseif resets_at > 0 and now >= resets_at then
    resets_at = now + DAY
    local whole = tonumber(redis.call('HGET', keys.gate, 'total'))
    redis.call(
        'HSET', keys.gate, 'remaining', whole - redis.call('HLEN', keys.turns), 'resets_at', text(resets_at)
    )
end
for field, over_at in pairs_of(keys.turns) do
    if tonumber(over_at) > now + turn then redis.call('HSET', keys.turns, field, text(now + turn)) end
    if tonumber(over_at) <= now then
        local shard, node = split(field)
        redis.call('HDEL', keys.turns, field)
        note_sent(shard, node, now) -- perhaps; the node did not say
        is_changed = true
    end
end
for field, value in pairs_of(keys.queue) do
    local _, node = split(field)
    local failures, since = string.match(value, '^(%S+) (%S+)$')
    if not is_alive(node) then
        redis.call('HDEL', keys.queue, field)
        is_changed = true
    elseif tonumber(since) > now then
        redis.call('HSET', keys.queue, field, failures .. ' ' .. text(now))
    end
end

-- What the node says.
for shard, ago in pairs(request.sent) do
    local at = now - math.max(ago, 0)
    if redis.call('HDEL', keys.turns, shard .. ' ' .. id) == 1 then
        note_sent(shard, id, at)
        is_changed = true
    else
        local is_said = false
        for _, member in ipairs(redis.call('ZRANGEBYSCORE', keys.sent, '(' .. text(at - interval), '+inf')) do
            is_said = is_said or string.match(member, '^%S+') == shard
        end
        if not is_said then
            note_sent(shard, id, at)
            is_changed = true
        end
    end
end
local waiting = {}
for shard, failures in pairs(request.waiting) do
    if owner_of(total, shard) == id then waiting[shard .. ' ' .. id] = failures end
end
for field in pairs_of(keys.turns) do
    local _, node = split(field)
    if node == id then
        if waiting[field] then
            waiting[field] = nil
            redis.call('HSET', keys.turns, field, text(now + turn))
        else
            give_back(field)
            is_changed = true
        end
    end
end
local since_before = {}
for field, value in pairs_of(keys.queue) do
    local _, node = split(field)
    if node == id then
        since_before[field] = string.match(value, '%S+$')
        if not waiting[field] then
            redis.call('HDEL', keys.queue, field)
            is_changed = true
        end
    end
end
for field, failures in pairs(waiting) do
    redis.call('HSET', keys.queue, field, failures .. ' ' .. (since_before[field] or text(now)))
end
if request.learned then
    local learned, asked_at = request.learned, now - request.learned.ago
    local spent = redis.call('ZCOUNT', keys.sent, text(asked_at), '+inf') + redis.call('HLEN', keys.turns)
    max_concurrency = learned.max_concurrency
    resets_at = asked_at + learned.reset_after
    redis.call(
        'HSET', keys.gate, 'max_concurrency', max_concurrency, 'total', learned.total,
        'remaining', learned.remaining - spent, 'resets_at', text(resets_at)
    )
    is_changed = true
end

-- The budget.
local function remaining()
    local left = redis.call('HGET', keys.gate, 'remaining')
    if left then return math.max(tonumber(left), 0) end
    return math.max(daily_limit - redis.call('ZCARD', keys.sent) - redis.call('HLEN', keys.turns), 0)
end

local function starts_in()
    if remaining() > 0 then return 0 end
    if resets_at > 0 then return math.max(resets_at - now, 0) end
    local count = redis.call('ZCARD', keys.sent)
    if count == 0 then return turn end
    local index = math.min(count + redis.call('HLEN', keys.turns) - daily_limit, count - 1)
    local first = redis.call('ZRANGE', keys.sent, index, index, 'WITHSCORES')
    return math.max(tonumber(first[2]) + DAY - now, 0)
end

-- Turns, one a rate limit key, in the order of buckets.
local free_at, since, first = {}, {}, {}
local function not_before(shard, at)
    local key = shard % max_concurrency
    free_at[key] = math.max(free_at[key] or 0, at)
end
for field, over_at in pairs_of(keys.turns) do not_before(split(field), tonumber(over_at)) end
local recent = redis.call('ZRANGEBYSCORE', keys.sent, '(' .. text(now - interval - gather), '+inf', 'WITHSCORES')
for index = 1, #recent, 2 do
    not_before(tonumber(string.match(recent[index], '^%S+')), tonumber(recent[index + 1]) + interval)
end
local function comes_before(one, other)
    for index = 1, #one do
        if one[index] ~= other[index] then return one[index] < other[index] end
    end
    return false
end
for field, value in pairs_of(keys.queue) do
    local shard, node = split(field)
    local failures, from = string.match(value, '^(%S+) (%S+)$')
    local key = shard % max_concurrency
    local last_turn = tonumber(redis.call('ZSCORE', keys.last_turn, shard) or -1)
    local waiter = {last_turn, tonumber(failures), shard, tonumber(from), node}
    waiter.field, waiter.node, waiter.shard, waiter.key = field, node, shard, key
    since[key] = math.min(since[key] or now, tonumber(from))
    if not first[key] or comes_before(waiter, first[key]) then first[key] = waiter end
end
local ask_in = -1
local order = {}
for _, waiter in pairs(first) do order[#order + 1] = waiter end
table.sort(order, comes_before)
for _, waiter in ipairs(order) do
    if waiter.node == id then
        local at = free_at[waiter.key] or 0
        if at <= since[waiter.key] then at = since[waiter.key] + gather end -- others may be about to come
        local wait = math.max(at - now, starts_in())
        if wait > 0 then
            if ask_in < 0 or wait < ask_in then ask_in = wait end
        else
            redis.call('HDEL', keys.queue, waiter.field)
            redis.call('HSET', keys.turns, waiter.field, text(now + turn))
            redis.call('ZADD', keys.last_turn, text(now), waiter.shard)
            if redis.call('HEXISTS', keys.gate, 'remaining') == 1 then
                redis.call('HINCRBY', keys.gate, 'remaining', -1)
            end
        end
    end
end
for _, key in ipairs({keys.turns, keys.queue, keys.last_turn}) do redis.call('PEXPIRE', key, DAY) end
if is_changed then changed('gate') end

local granted = {}
for field in pairs_of(keys.turns) do
    local shard, node = split(field)
    if node == id then granted[#granted + 1] = shard end
end
return cjson.encode({
    granted = granted, ask_in = ask_in, starts_in = starts_in(), remaining = remaining(),
    max_concurrency = max_concurrency,
})
