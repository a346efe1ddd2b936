// Open loop of whole sequences: k6 run -e MODEL=M [-e SERVER=host:port -e RATE=200 -e SECONDS=30 -e P99_MS=20] unary.js

import { check } from 'k6';
import grpc from 'k6/net/grpc';

import { MODEL, SECONDS, SERVICE, connect, frameWidth, tensor } from './model.js';

const RATE = Number(__ENV.RATE || 100);

export const options = {
  scenarios: {
    whole_sequences: {
      executor: 'constant-arrival-rate',
      rate: RATE,
      timeUnit: '1s',
      duration: SECONDS,
      preAllocatedVUs: 50,
      maxVUs: 500,
    },
  },
  thresholds: {
    grpc_req_duration: [`p(99)<${__ENV.P99_MS || 20}`],
    checks: ['rate==1'],
    dropped_iterations: ['count==0'], // no caller was free: k6 or the server fell behind
  },
};

const client = new grpc.Client();
let connected = false;

export function setup() {
  const width = frameWidth();
  return { sequences: Array.from({ length: 23 }, (_, index) => tensor(7 + index, width)) };
}

export default function ({ sequences }) {
  if (!connected) {
    connect(client);
    connected = true;
  }
  const frames = sequences[Math.floor(Math.random() * sequences.length)];
  const answer = client.invoke(`${SERVICE}/Predict`, { model: MODEL, frames }, { timeout: '10s' });
  check(answer, {
    answered: (got) => got.status === grpc.StatusOK && Number(got.message.frameCount) === frames.shape[0],
  });
}
