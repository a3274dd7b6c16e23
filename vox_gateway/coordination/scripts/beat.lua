-- Coordination.beat. ARGV: node id, name, total, capacity, ttl, then of each shard: its id, its load, and what the node
-- reports of it as JSON, or nothing.
local id, name, total, capacity, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local leases = leases_key(total)
drop_dead_nodes()
no_later_than(keys.nodes, now + ttl) -- nor keep a dead node alive

local before = redis.call('HGET', node_key(id), 'capacity')
redis.call('HSET', node_key(id), 'name', name, 'total', total, 'capacity', capacity)
redis.call('PEXPIRE', node_key(id), text(ttl))
redis.call('ZADD', keys.nodes, text(now + ttl), id)
local is_changed = before ~= capacity

local hold, states = {}, {}
for index = 6, #ARGV, 3 do
    hold[ARGV[index]] = ARGV[index + 1]
    if ARGV[index + 2] ~= '' then states[ARGV[index]] = ARGV[index + 2] end
end

local alive, nodes, expires_in = {}, {}, -1
local members = redis.call('ZRANGE', keys.nodes, 0, -1, 'WITHSCORES')
for index = 1, #members, 2 do
    local other = members[index]
    local info = redis.call('HMGET', node_key(other), 'name', 'total', 'capacity')
    if info[1] then
        alive[other] = true
        if info[2] == total then
            nodes[#nodes + 1] = {other, info[1], tonumber(info[3])}
            local left = tonumber(members[index + 1]) - now
            if other ~= id and (expires_in < 0 or left < expires_in) then expires_in = left end
        end
    end
end

local held = {}
for shard, lease in pairs_of(leases) do
    local owner, load = string.match(lease, '^(%S+) (%S+)$')
    if not alive[owner] or (owner == id and not hold[shard]) then
        redis.call('HDEL', leases, shard)
        is_changed = is_changed or owner == id
    else
        held[shard] = {owner, load}
    end
end
for shard, load in pairs(hold) do
    local lease = held[shard]
    if not lease or (lease[1] == id and lease[2] ~= load) then
        redis.call('HSET', leases, shard, id .. ' ' .. load)
        held[shard] = {id, load}
    end
end
redis.call('PEXPIRE', leases, DAY)
for shard, state in pairs(states) do
    if held[shard] and held[shard][1] == id then
        redis.call('HSET', reports_key(total), shard, id .. ' ' .. text(now) .. ' ' .. state)
        redis.call('PEXPIRE', reports_key(total), DAY)
    end
end

local pins = {}
for shard, pin in pairs_of(pins_key(total)) do
    local target, over_at = string.match(pin, '^(%S+) (%S+)$')
    if alive[target] and tonumber(over_at) > now then
        pins[#pins + 1] = {tonumber(shard), target}
    else
        redis.call('HDEL', pins_key(total), shard)
    end
end
if is_changed then changed('leases') end

local found = {}
for shard, lease in pairs(held) do found[#found + 1] = {tonumber(shard), lease[1], tonumber(lease[2])} end
return cjson.encode({
    nodes = nodes, leases = found, expires_in = expires_in, is_new = not before, pins = pins,
    is_to_drain = redis.call('HEXISTS', node_key(id), 'is_to_drain') == 1,
})
