// Streams of chunks in real time, all open at once:
// k6 run -e MODEL=M [-e SERVER=host:port -e STREAMS=20 -e CHUNKS=50 -e INTERVAL_MS=50 -e SECONDS=30 -e IN_TIME=0.99] stream.js

import { check } from 'k6';
import { Counter, Rate, Trend } from 'k6/metrics';
import grpc from 'k6/net/grpc';

import { MODEL, SECONDS, SERVICE, connect, frameWidth, tensor } from './model.js';

const CHUNKS = Number(__ENV.CHUNKS || 50);
const INTERVAL_MS = Number(__ENV.INTERVAL_MS || 50);

const chunkDuration = new Trend('chunk_duration', true); // from when a chunk was due
const inTime = new Rate('chunks_in_time'); // answered before the next one was due
const broken = new Counter('broken_streams');

export const options = {
  scenarios: {
    streams: {
      executor: 'constant-vus',
      vus: Number(__ENV.STREAMS || 20),
      duration: SECONDS,
      gracefulStop: `${Math.ceil((CHUNKS * INTERVAL_MS) / 1000) + 10}s`,
    },
  },
  thresholds: {
    chunks_in_time: [`rate>=${__ENV.IN_TIME || 0.99}`],
    broken_streams: ['count==0'],
    checks: ['rate==1'],
  },
};

const client = new grpc.Client();
let connected = false;

export function setup() {
  const width = frameWidth();
  return { frames: Array.from({ length: 50 }, () => tensor(1, width)) };
}

export default function ({ frames }) {
  if (!connected) {
    connect(client);
    connected = true;
  }
  const stream = new grpc.Stream(client, `${SERVICE}/Stream`);
  let began = 0;
  let sent = 0;
  let answered = 0;

  const sendChunk = () => {
    const first = sent++;
    stream.write({ chunk: { firstFrame: first, frames: frames[first % frames.length] } });
    if (sent < CHUNKS) setTimeout(sendChunk, Math.max(0, began + sent * INTERVAL_MS - Date.now()));
  };

  stream.on('data', (message) => {
    if (message.opened) {
      began = Date.now();
      sendChunk();
    } else if (message.result) {
      const late = Date.now() - (began + answered * INTERVAL_MS);
      chunkDuration.add(late);
      inTime.add(late <= INTERVAL_MS);
      answered += 1;
      if (answered === CHUNKS) {
        stream.write({ close: {} });
        stream.end();
      }
    } else if (message.closed) {
      check(message, { 'every frame counted': (got) => Number(got.closed.frameCount) === CHUNKS });
    }
  });
  stream.on('error', (error) => {
    broken.add(1);
    console.error(`${error.code}: ${error.message}`);
  });
  stream.write({ open: { model: MODEL } });
}
