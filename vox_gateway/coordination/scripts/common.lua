-- Prepended to each script. KEYS[1] is the prefix "vox:{bot}". Times are Redis's, in milliseconds.
local prefix = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local keys = {
    nodes = prefix .. ':nodes',          -- sorted set: node id, the time when its heartbeat is too old
    gate = prefix .. ':gate',            -- hash: max_concurrency, total, remaining, resets_at
    turns = prefix .. ':gate:turns',     -- hash: "shard node", the time when the turn is over
    queue = prefix .. ':gate:queue',     -- hash: "shard node", "failures since"
    sent = prefix .. ':gate:sent',       -- sorted set: "shard node time", the time of an IDENTIFY
    last_turn = prefix .. ':gate:last_turn', -- sorted set: shard, the time when it got its last turn
}
local DAY = 86400000

local function node_key(id) return prefix .. ':node:' .. id end          -- hash: name, total, capacity, is_to_drain
local function leases_key(total) return prefix .. ':leases:' .. total end   -- hash: shard, "node load"
local function reports_key(total) return prefix .. ':reports:' .. total end -- hash: shard, "node time state"
local function pins_key(total) return prefix .. ':pins:' .. total end       -- hash: shard, "node until"

-- What others should look at again: 'leases' or 'gate'.
local function changed(kind) redis.call('PUBLISH', prefix .. ':changes', kind) end

-- Numbers of more than 14 digits lose digits when Lua turns them into text by itself.
local function text(number) return string.format('%.0f', number) end

-- In a sorted set of times, nothing stays later than this: a clock that was set back must not hold up anybody.
local function no_later_than(key, at)
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. text(at), '+inf')) do
        redis.call('ZADD', key, text(at), member)
    end
end

local function drop_dead_nodes()
    if redis.call('ZREMRANGEBYSCORE', keys.nodes, '-inf', text(now)) > 0 then
        changed('leases')
        changed('gate')
    end
end

local function is_alive(id)
    local expires_at = redis.call('ZSCORE', keys.nodes, id)
    return expires_at and tonumber(expires_at) > now
end

-- A lease counts as long as its node's heartbeat.
local function owner_of(total, shard)
    local lease = redis.call('HGET', leases_key(total), shard)
    local owner = lease and string.match(lease, '^%S+')
    return owner and is_alive(owner) and owner
end

local function pairs_of(key)
    local flat, index = redis.call('HGETALL', key), -1
    return function()
        index = index + 2
        return flat[index], flat[index + 1]
    end
end

-- Ends a turn that came to nothing, and returns its session start.
local function give_back(field)
    redis.call('HDEL', keys.turns, field)
    if redis.call('HEXISTS', keys.gate, 'remaining') == 1 then
        redis.call('HINCRBY', keys.gate, 'remaining', 1)
    end
end
