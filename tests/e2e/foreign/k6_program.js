// What a user of k6 writes: calls and a stream of the model "sums", every answer checked.
import { check } from 'k6';
import encoding from 'k6/encoding';
import { Client, StatusNotFound, StatusOK, Stream } from 'k6/net/grpc';

const STEPS = 10;
const client = new Client();
client.load([__ENV.PROTOS], 'soloist/v1/sequence_inference.proto');

export const options = {
  scenarios: {
    calls: { executor: 'per-vu-iterations', vus: 4, iterations: 25, exec: 'calls' },
    streams: { executor: 'per-vu-iterations', vus: 4, iterations: 5, exec: 'streams' },
  },
  thresholds: { checks: ['rate==1'] },
};

const one = { data_type: 'DATA_TYPE_FLOAT32', shape: [1, 2], data: encoding.b64encode(new Float32Array([1, 1]).buffer) };
const PREDICT = 'soloist.v1.SequenceInference/Predict';

function connect() {
  if (__ITER === 0) client.connect(__ENV.TARGET, { plaintext: true });
}

export function calls() {
  connect();
  const answer = client.invoke(PREDICT, { model: 'sums', frames: one });
  check(answer, { answered: (a) => a.status === StatusOK && a.message.frameCount === '1' });
  const refused = client.invoke(PREDICT, { model: 'nobody', frames: one });
  check(refused, { refused: (a) => a.status === StatusNotFound && a.error.message.includes("no model 'nobody'") });
}

export function streams() {
  connect();
  const stream = new Stream(client, 'soloist.v1.SequenceInference/Stream');
  let results = 0;
  stream.on('data', (answer) => {
    if (answer.result) results++;
    if (answer.closed) stream.end();
  });
  stream.on('end', () => check(results, { streamed: (count) => count === STEPS }));
  stream.on('error', (error) => check(error, { streamed: () => false }));
  stream.write({ open: { model: 'sums' } });
  for (let step = 0; step < STEPS; step++) stream.write({ chunk: { first_frame: step, frames: one } });
  stream.write({ close: {} });
}
