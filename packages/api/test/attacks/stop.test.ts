import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { startProcess } from '../../testing/service.ts';
import { AS_OPERATOR, testContext } from '../../testing/support.ts';
import { connectRaw } from './raw-connection.ts';

const context = await testContext();

it('an api process ends cleanly although clients do not send the rest of a request, or do not read', async () => {
  const api = await startProcess('api', { ...context.env, SERVER_PORT: '0', SHUTDOWN_MS: '0/1000' });
  const port = api.ready.port!;
  const half = await connectRaw(port);
  half.send('POST /api/v1/seckill/token HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n');
  half.send('content-length: 100\r\n\r\n{');
  const { authorization } = AS_OPERATOR;
  const unread = connect(port, '127.0.0.1').on('error', () => undefined);
  // More than the buffers of a connection hold.
  for (let i = 0; i < 50; i += 1) {
    unread.write(`GET /docs/json HTTP/1.1\r\nhost: a\r\nauthorization: ${authorization}\r\n\r\n`);
  }
  // Both have arrived before this one is answered.
  expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
  expect(await api.stop()).toBe(0);
  expect(api.log.at(-1)?.msg).toBe('stopped');
  half.socket.destroy();
  unread.destroy();
});
