import { afterAll, expect, it } from 'vitest';
import { startOpsServer } from '@flash-sale/shared/platform/telemetry/ops-server.ts';
import { answersIn, connectRaw, listen } from '../attacks/raw-connection.ts';
import { openTestApp } from '../../testing/support.ts';

const { app } = await openTestApp();
const apiPort = await listen(app);
const ops = await startOpsServer(
  { host: '127.0.0.1', port: 0 },
  { registry: app.deps.metrics.registry, readiness: app.readiness },
);
afterAll(() => ops.stop());

/** The answer of a port to a raw request: status, allowed methods, and body. */
async function answer(port: number, line: string, more = '') {
  const connection = await connectRaw(port);
  connection.send(`${line}\r\nhost: 127.0.0.1\r\nconnection: close\r\n${more}\r\n`);
  const text = await connection.closed;
  const [{ status, head }] = answersIn(text) as [{ status: number; head: string }];
  const body = text.slice(text.indexOf('\r\n\r\n') + 4);
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1]?.trim();
  return { status, allow: field('allow'), type: field('content-type'), length: field('content-length'), body };
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const TARGETS = [
  '/healthz',
  '/readyz',
  '/healthz?',
  '/healthz?x=1&y=%zz',
  '/readyz?verbose',
  'http://127.0.0.1/healthz',
  'HTTP://other.test:81/readyz?x',
  '/%68ealthz',
  '/healthz/',
  '//healthz',
  '/HEALTHZ',
  '/healthz/x',
  '/nothing',
  '/__proto__',
  '/constructor',
];

it.each(TARGETS)('%s is answered by the ops port like by the API’s port, with every method', async (target) => {
  for (const method of METHODS) {
    const [theirs, ours] = [
      await answer(apiPort, `${method} ${target} HTTP/1.1`),
      await answer(ops.port, `${method} ${target} HTTP/1.1`),
    ];
    // Bodies of refusals differ: the ops port has no problem documents.
    const comparable = ({ status, allow, body }: typeof ours) => ({
      method,
      status,
      allow,
      body: status < 400 ? body : body !== '',
    });
    expect(comparable(ours)).toEqual(comparable(theirs));
  }
});

it.each(['/healthz', '/readyz', '/metrics'])('HEAD %s says what GET would, without the body', async (path) => {
  const [got, head] = [await answer(ops.port, `GET ${path} HTTP/1.1`), await answer(ops.port, `HEAD ${path} HTTP/1.1`)];
  expect([got.status, head.status, head.body, head.type]).toEqual([200, 200, '', got.type]);
  expect(got.length).toBe(String(Buffer.byteLength(got.body, 'latin1')));
  expect(Number(head.length)).toBeGreaterThan(10);
});

it('/metrics names its allowed methods', async () => {
  expect(await answer(ops.port, 'POST /metrics HTTP/1.1', 'content-length: 0\r\n')).toMatchObject({
    status: 405,
    allow: 'GET, HEAD',
  });
});

it('answers HTTP/1.0 and a GET with a body', async () => {
  expect(await answer(ops.port, 'GET /healthz HTTP/1.0')).toMatchObject({ status: 200 });
  expect(await answer(ops.port, 'GET /healthz HTTP/1.1', 'content-length: 2\r\n\r\nhi')).toMatchObject({ status: 200 });
});
