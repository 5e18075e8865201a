import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { openApp, openTestApp, openTestContext } from '../testing/support.ts';

const { context, app } = await openTestApp();

const send = (payload: string, contentType?: string, url = '/api/v1/seckill/token') =>
  app.server.inject({
    method: 'POST',
    url,
    payload,
    headers: contentType === undefined ? {} : { 'content-type': contentType },
  });

describe('a request that is not in the API', () => {
  it.each([
    '/nope',
    '/api',
    '/api/v1',
    '/api/v2/products',
    '/api/v1/Products',
    '/api/v1/seckill/buy/',
    '/api/v1/products/1/2',
  ])('answers 404 for %s', async (url) => {
    expect(await app.get(url)).toBeProblem('not_found');
    expect(await app.post(url, { a: 1 })).toBeProblem('not_found');
  });

  it.each(['/%', '/api/v1/products/%', '/api/v1/orders/%ff', '/%c0%ae%c0%ae/'])(
    'answers 400 for %s, which is no URL',
    async (url) => {
      expect(await app.get(url)).toBeProblem('invalid_request');
    },
  );
});

describe('bodies', () => {
  const valid = async () => JSON.stringify({ user_id: 'alice', product_id: (await context.openSale()).id });

  it.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON'])('takes %s', async (type) => {
    expect((await send(await valid(), type)).statusCode).toBe(200);
  });

  it.each([
    undefined,
    'text/plain',
    'application/xml',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'json',
    '',
  ])('answers 415 for a body of %s', async (type) => {
    expect(await send(await valid(), type)).toBeProblem('unsupported_media_type');
  });

  it.each([
    ['half an object', '{"user_id":'],
    ['two objects', '{}{}'],
    ['a comma too many', '{"user_id":"alice",}'],
    ['nothing', ''],
    ['NaN', 'NaN'],
    ['binary', '\u0000\u0001'],
    ['a key of __proto__', '{"__proto__":{"user_id":"alice"},"product_id":1}'],
    ['a hidden key of __proto__', '{"\\u005f_proto__":{"user_id":"alice"},"product_id":1}'],
    ['a constructor with a prototype', '{"user_id":"alice","product_id":1,"constructor":{"prototype":{"a":1}}}'],
  ])('answers 400 for %s', async (_what, payload) => {
    expect(await send(payload, 'application/json')).toBeProblem('invalid_request');
    expect(({} as Record<string, unknown>)['user_id']).toBeUndefined();
  });

  it('answers 413 for a shopper’s body above 4 KiB, an operator’s above 16 KiB, and a sale’s above 48 KiB', async () => {
    const big = (bytes: number) => JSON.stringify({ user_id: 'x'.repeat(bytes) });
    expect(await send(big(4_000), 'application/json')).toBeProblem('invalid_request');
    expect(await send(big(4_096), 'application/json')).toBeProblem('payload_too_large');
    expect(await send(big(4_096), 'application/json', '/api/v1/seckill/buy')).toBeProblem('payload_too_large');
    const headers = { authorization: `Bearer ${context.config.ADMIN_TOKEN ?? 'the-operators-own-token'}` };
    const sale = (bytes: number) => app.post('/api/v1/admin/products', { name: 'x'.repeat(bytes) }, headers);
    expect(await sale(48_000)).toBeProblem('invalid_request');
    expect(await sale(49_152)).toBeProblem('payload_too_large');
    const note = { reason: 'x'.repeat(16_384) };
    expect(await app.post('/api/v1/admin/deny-list', note, headers)).toBeProblem('payload_too_large');
  });

  it('names the wrong field and the reason', async () => {
    const answer = await send('{"user_id":"alice","product_id":"one"}', 'application/json');
    expect(answer.json()).toMatchObject({ detail: expect.stringContaining('product_id') });
  });
});

describe('request ids', () => {
  it('keeps the id of a gateway, in the header and in the body', async () => {
    const answer = await app.get('/nope', { 'x-request-id': 'gateway-17_a' });
    expect(answer.headers['x-request-id']).toBe('gateway-17_a');
    expect(answer.json()).toMatchObject({ request_id: 'gateway-17_a' });
  });

  it.each(['', 'a b', 'x'.repeat(65), '{"a":1}', '../..', 'ú'])('replaces “%s” by one of its own', async (given) => {
    const answer = await app.get('/nope', { 'x-request-id': given });
    expect(answer.headers['x-request-id']).not.toBe(given);
    expect(answer).toBeProblem('not_found');
  });

  it('gives every request a different one, also on successful answers', async () => {
    const ids = await Promise.all([1, 2, 3].map(async () => (await app.get('/healthz')).headers['x-request-id']));
    expect(new Set(ids).size).toBe(3);
    expect(ids).not.toContain(undefined);
  });
});

describe('health', () => {
  it('reports that it is alive and ready, and the state of its servers', async () => {
    const alive = await app.get('/healthz');
    expect([alive.statusCode, alive.json()]).toEqual([200, { status: 'ok' }]);
    const ready = await app.get('/readyz');
    expect([ready.statusCode, ready.json()]).toEqual([200, { status: 'ready', redis: true, mysql: true }]);
  });

  it('counts and times requests by route and outcome, not by path', async () => {
    const counting = await openApp(context);
    try {
      await counting.get('/api/v1/products/999998');
      await counting.get('/api/v1/products/999999');
      await counting.get('/nope');
      await counting.get('/healthz');
      const { values } = await counting.deps.metrics.requests.get();
      const counted = values.filter(({ value }) => value > 0);
      expect(counted.map(({ labels, value }) => [labels.route, labels.outcome, value])).toEqual([
        ['/api/v1/products/:id', 'not_found', 2],
        ['none', 'not_found', 1],
        ['/healthz', 'ok', 1],
      ]);
      const times = (await counting.deps.metrics.requestSeconds.get()).values;
      expect(
        times.find(({ labels, metricName }) => labels['route'] === '/healthz' && metricName?.endsWith('_sum'))?.value,
      ).toBeGreaterThan(0);
    } finally {
      await counting.close();
    }
  });
});

describe('faults of the service', () => {
  it('answers internal, with a request id and without the cause', async () => {
    // A separate context, since its database stays broken.
    const broken = await openTestContext();
    const faulty = await openApp(broken);
    try {
      await sql`DROP TABLE orders`.execute(broken.db);
      expect(await faulty.get('/api/v1/orders?user_id=alice')).toBeProblem('internal');
    } finally {
      await faulty.close();
      await broken.close();
    }
  });
});

describe('on the wire', () => {
  it.each([
    ['nonsense', 'nonsense\r\n\r\n', 'invalid_request'],
    ['a line feed in a header', 'GET / HTTP/1.1\r\nhost: a\nb\r\n\r\n', 'invalid_request'],
    ['a body of unknown length', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n', 'invalid_request'],
    ['headers of 32 KiB', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(32_768)}\r\n\r\n`, 'payload_too_large'],
  ] as const)('answers %s with a problem as well, and hangs up', async (_what, sent, code) => {
    const listening = await openApp(context);
    try {
      await listening.server.listen({ host: '127.0.0.1', port: 0 });
      const { port } = listening.server.server.address() as AddressInfo;
      const socket = connect(port, '127.0.0.1').setEncoding('utf8');
      let received = '';
      socket.on('data', (text: string) => (received += text)).on('error', () => undefined);
      await once(socket, 'connect');
      const closed = Promise.withResolvers<void>();
      socket.once('close', () => closed.resolve()).write(sent);
      await closed.promise;
      const [head, body] = received.split('\r\n\r\n') as [string, string];
      const [statusLine, ...lines] = head.split('\r\n');
      expect({
        status: Number(statusLine!.split(' ')[1]),
        headers: Object.fromEntries(lines.map((l) => l.split(': '))),
        body,
      }).toBeProblem(code);
    } finally {
      await listening.close();
    }
  });
});
