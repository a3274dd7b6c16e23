-- Coordination.save and clear. ARGV: node id, total, shard, milliseconds to keep it, and to save: the session.
local id, total, shard, session = ARGV[1], ARGV[2], ARGV[3], ARGV[5]
if owner_of(total, shard) ~= id then return 0 end
local key = prefix .. ':session:' .. total .. ':' .. shard
if session then
    redis.call('SET', key, session, 'PX', ARGV[4])
else
    redis.call('DEL', key)
end
return 1
