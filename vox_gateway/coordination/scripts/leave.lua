-- Coordination.leave. ARGV: node id, total.
local id, total = ARGV[1], ARGV[2]
redis.call('DEL', node_key(id))
redis.call('ZREM', keys.nodes, id)
for shard, lease in pairs_of(leases_key(total)) do
    if string.match(lease, '^%S+') == id then redis.call('HDEL', leases_key(total), shard) end
end
for field in pairs_of(keys.turns) do
    if string.match(field, '%S+$') == id then give_back(field) end
end
for field in pairs_of(keys.queue) do
    if string.match(field, '%S+$') == id then redis.call('HDEL', keys.queue, field) end
end
changed('leases')
changed('gate')
