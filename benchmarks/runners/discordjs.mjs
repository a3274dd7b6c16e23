// @discordjs/ws: one shard, raw payloads to a counter.
import { REST } from '@discordjs/rest';
import { CompressionMethod, WebSocketManager, WebSocketShardEvents } from '@discordjs/ws';
import process from 'node:process';
import zlib from 'node:zlib';

const [url, count, compress] = [process.argv[2], Number(process.argv[3]), process.argv[4]];
const methods = {
  'zlib-sync': CompressionMethod.ZlibSync,
  'zlib-native': CompressionMethod.ZlibNative,
  zstd: CompressionMethod.ZstdNative,
};
if (methods[compress] === undefined || (compress === 'zstd' && !zlib.createZstdDecompress)) {
  console.error(`this @discordjs/ws, or Node.js ${process.version}, has no ${compress}`);
  process.exit(2);
}
const rest = new REST({ api: `${url.replace('ws', 'http')}/api` }).setToken('benchmark');
const manager = new WebSocketManager({
  token: 'benchmark',
  intents: 0,
  rest, // version 2 asks through it
  fetchGatewayInformation: () => rest.get('/gateway/bot'), // and version 3 through this
  shardCount: 1,
  compression: methods[compress],
});

let events = 0;
let began;
let cpu;
let before;
manager.on(WebSocketShardEvents.Dispatch, (payload) => {
  if (payload.t === 'READY') {
    before = process.memoryUsage().rss;
    cpu = process.cpuUsage();
    began = process.hrtime.bigint();
    return;
  }
  events += 1;
  if (events === count) {
    const used = process.cpuUsage(cpu);
    console.log(
      JSON.stringify({
        events,
        seconds: Number(process.hrtime.bigint() - began) / 1e9,
        cpu: (used.user + used.system) / 1e6,
        before_kb: Math.round(before / 1024),
        peak_kb: process.resourceUsage().maxRSS,
      }),
    );
    process.exit(0);
  }
});
await manager.connect();
