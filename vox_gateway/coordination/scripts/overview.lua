-- Coordination.overview: what is stored, without a change. state.py makes sense of it.
local function all(key)
    local found = {}
    for field, value in pairs_of(key) do found[#found + 1] = {field, value} end
    return found
end

local nodes, by_total = {}, {}
local members = redis.call('ZRANGE', keys.nodes, 0, -1, 'WITHSCORES')
for index = 1, #members, 2 do
    local id = members[index]
    local info = redis.call('HMGET', node_key(id), 'name', 'total', 'capacity', 'is_to_drain')
    if info[1] then
        local total = info[2]
        nodes[#nodes + 1] = {id, info[1], total, info[3], members[index + 1], info[4]}
        by_total[total] = by_total[total]
            or {leases = all(leases_key(total)), reports = all(reports_key(total)), pins = all(pins_key(total))}
    end
end
return cjson.encode({
    now = text(now), nodes = nodes, by_total = by_total, gate = all(keys.gate), turns = all(keys.turns),
    queue = all(keys.queue), sent = redis.call('ZRANGE', keys.sent, 0, -1, 'WITHSCORES'),
    last_turn = redis.call('ZRANGE', keys.last_turn, 0, -1, 'WITHSCORES'),
})
