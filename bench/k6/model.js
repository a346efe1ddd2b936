// What both scripts need: options from the environment, and frames of the width that the model takes.

import encoding from 'k6/encoding';
import grpc from 'k6/net/grpc';

export const SERVER = __ENV.SERVER || 'localhost:8001';
export const MODEL = __ENV.MODEL;
export const SECONDS = `${__ENV.SECONDS || 30}s`;
export const SERVICE = 'soloist.v1.SequenceInference';

// Connects, and learns the methods from the server's reflection.
export function connect(client) {
  client.connect(SERVER, { plaintext: true, reflect: true, timeout: '10s' });
}

// Returns how many numbers a frame has.
export function frameWidth() {
  if (!MODEL) throw new Error('which model? k6 run -e MODEL=...');
  const client = new grpc.Client();
  connect(client);
  const answer = client.invoke(`${SERVICE}/GetModel`, { model: MODEL });
  client.close();
  if (answer.status !== grpc.StatusOK) throw new Error(`${MODEL}: ${answer.error.message}`);
  const frames = answer.message.model.signature.frames;
  if (frames.dataType !== 'DATA_TYPE_FLOAT32') throw new Error(`${MODEL} takes no float32 numbers`);
  return Number(frames.shape[2]);
}

// Returns so many made-up frames as a soloist.v1.Tensor.
export function tensor(count, width) {
  const numbers = Float32Array.from({ length: count * width }, () => 2 * Math.random() - 1);
  return {
    dataType: 'DATA_TYPE_FLOAT32',
    shape: [count, width],
    data: encoding.b64encode(numbers.buffer),
  };
}
