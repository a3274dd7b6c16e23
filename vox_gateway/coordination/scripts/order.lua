-- Coordination.order_drain and order_move. ARGV: node id, and to move: shard, milliseconds until it is over.
local id, shard, lasts = ARGV[1], ARGV[2], tonumber(ARGV[3])
local total = redis.call('HGET', node_key(id), 'total')
if not total or not is_alive(id) then return 0 end
if shard then
    redis.call('HSET', pins_key(total), shard, id .. ' ' .. text(now + lasts))
    redis.call('PEXPIRE', pins_key(total), DAY)
else
    redis.call('HSET', node_key(id), 'is_to_drain', 1)
end
changed('leases')
return 1
