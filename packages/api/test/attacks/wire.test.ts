import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import type { AppBounds } from '../../src/deps.ts';
import { openApp, OPERATOR_TOKEN, testContext, type TestApp } from '../../testing/support.ts';
import { answersIn, connectRaw, listen } from './raw-connection.ts';

const SHORT = { headersTimeoutMs: 200, requestTimeoutMs: 400 };

const context = await testContext();
let app: TestApp;
afterEach(() => app.close());

async function serve(env: Record<string, string> = {}, bounds: AppBounds = {}): Promise<number> {
  app = await openApp(context, env, { bounds });
  return listen(app);
}

const serveBriefly = () => serve({ KEEP_ALIVE_TIMEOUT_MS: '300' }, SHORT);

const HEAD = 'POST /api/v1/seckill/token HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n';
const HEALTH = 'GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n';

describe('slowness', () => {
  it('slow headers: the connection of a request whose headers do not end is closed', async () => {
    const connection = await connectRaw(await serveBriefly());
    connection.send('GET /healthz HTTP/1.1\r\nhost: a\r\n');
    expect(answersIn(await connection.closed)).toEqual([
      { status: 400, head: expect.stringContaining('problem+json') },
    ]);
  });

  it('slow headers: a line at intervals does not extend the limit', async () => {
    const connection = await connectRaw(await serveBriefly());
    connection.send('GET /healthz HTTP/1.1\r\nhost: a\r\n');
    const trickle = setInterval(() => connection.send('x: y\r\n'), 20);
    try {
      expect(answersIn(await connection.closed).map(({ status }) => status)).toEqual([400]);
    } finally {
      clearInterval(trickle);
    }
  });

  it('a slow body: the connection of a request whose body does not arrive is closed', async () => {
    const connection = await connectRaw(await serveBriefly());
    connection.send(`${HEAD}content-length: 50\r\n\r\n{"user_id":`);
    expect(answersIn(await connection.closed).map(({ status }) => status)).toEqual([400]);
  });

  it('a slow body: a byte at intervals does not extend the limit', async () => {
    const connection = await connectRaw(await serveBriefly());
    connection.send(`${HEAD}content-length: 4000\r\n\r\n`);
    const trickle = setInterval(() => connection.send(' '), 20);
    try {
      expect(answersIn(await connection.closed).map(({ status }) => status)).toEqual([400]);
    } finally {
      clearInterval(trickle);
    }
  });

  it('a connection that is idle after its request is closed, and one that never sends anything', async () => {
    const port = await serveBriefly();
    const [used, silent] = [await connectRaw(port), await connectRaw(port)];
    used.send(HEALTH);
    expect(answersIn(await used.closed).map(({ status }) => status)).toEqual([200]);
    await silent.closed;
  });

  it('a client that does not read: its connection is closed after a time longer than a long poll', async () => {
    await serve();
    expect(app.server.server.timeout).toBe(60_000);
    expect(app.server.server.headersTimeout).toBe(5_000);
    expect(app.server.server.requestTimeout).toBe(10_000);
    expect(app.server.server.keepAliveTimeout).toBe(65_000);
  });

  it('does not affect a long poll, which waits longer than a request may take to arrive', async () => {
    const port = await serveBriefly();
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'patient');
    const connection = await connectRaw(port);
    connection.send(`GET /api/v1/orders/${orderNo}?wait=1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
    expect(answersIn(await connection.closed).map(({ status }) => status)).toEqual([200]);
  });
});

describe('too many connections', () => {
  it('are closed as they come, and those that stand go on', async () => {
    const port = await serve({}, { connectionsMax: 2 });
    const standing = [await connectRaw(port), await connectRaw(port)];
    // Both are known to the server once they have been answered.
    for (const connection of standing) {
      connection.send(HEALTH);
      await once(connection.socket, 'data');
    }
    const third = await connectRaw(port);
    expect(await third.closed).toBe('');
    standing[0]!.send(HEALTH);
    await once(standing[0]!.socket, 'data');
    expect(answersIn(standing[0]!.received()).map(({ status }) => status)).toEqual([200, 200]);
    for (const { socket } of standing) socket.destroy();
  });
});

describe('request smuggling', () => {
  const SMUGGLED = 'GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n';
  it.each([
    ['a length and chunks', `${HEAD}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['chunks and a length', `${HEAD}transfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['two lengths', `${HEAD}content-length: 2\r\ncontent-length: ${SMUGGLED.length + 2}\r\n\r\n{}${SMUGGLED}`],
    ['a list of lengths', `${HEAD}content-length: 2, 40\r\n\r\n{}${SMUGGLED}`],
    ['a negative length', `${HEAD}content-length: -1\r\n\r\n{}${SMUGGLED}`],
    ['a length with a sign', `${HEAD}content-length: +2\r\n\r\n{}${SMUGGLED}`],
    ['another transfer coding', `${HEAD}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['chunked twice, not last', `${HEAD}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['a space before the colon', `${HEAD}content-length : 2\r\n\r\n{}${SMUGGLED}`],
    ['a folded header', `${HEAD}transfer-encoding:\r\n chunked\r\ncontent-length: 2\r\n\r\n{}${SMUGGLED}`],
    ['a bare line feed', `${HEAD}content-length: 2\n\r\n{}${SMUGGLED}`],
    ['a bare carriage return', `${HEAD}x: a\rcontent-length: 2\r\n\r\n{}${SMUGGLED}`],
    ['a chunk of a wrong size', `${HEAD}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n${SMUGGLED}`],
    [
      'a chunk whose size runs over',
      `${HEAD}transfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\n{}\r\n0\r\n\r\n${SMUGGLED}`,
    ],
    ['a null byte in a header', `${HEAD}x: a\0b\r\ncontent-length: 2\r\n\r\n{}${SMUGGLED}`],
    ['two equal lengths', `${HEAD}content-length: 2\r\ncontent-length: 2\r\n\r\n{}${SMUGGLED}`],
    ['two transfer codings', `${HEAD}transfer-encoding: chunked\r\ntransfer-encoding: x\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['chunks twice', `${HEAD}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['a vertical tab before the coding', `${HEAD}transfer-encoding: \vchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ['a chunk that ends with a line feed', `${HEAD}transfer-encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n${SMUGGLED}`],
    [
      'a chunk extension with a line feed',
      `${HEAD}transfer-encoding: chunked\r\n\r\n2;\nx\r\n{}\r\n0\r\n\r\n${SMUGGLED}`,
    ],
    ['a folded host', `GET /healthz HTTP/1.1\r\nhost: a\r\n b\r\n\r\n${SMUGGLED}`],
    ['two hosts', `GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n${SMUGGLED}`],
    ['no host', `GET /healthz HTTP/1.1\r\n\r\n${SMUGGLED}`],
  ])('by %s: the second request is not answered', async (_what, sent) => {
    const connection = await connectRaw(await serveBriefly());
    connection.send(sent);
    const answers = answersIn(await connection.closed);
    expect(answers.map(({ status }) => status)).toEqual([400]);
    expect(answers[0]!.head).toMatch(/connection: close/i);
  });

  it('behind a request that is not answered yet: there is no answer that could be taken for its answer', async () => {
    const port = await serveBriefly();
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'patient');
    const connection = await connectRaw(port);
    connection.send(`GET /api/v1/orders/${orderNo}?wait=5 HTTP/1.1\r\nhost: a\r\n\r\nNOT HTTP\r\n\r\n`);
    expect(await connection.closed).toBe('');
  });

  it('by a body of a GET: it is no request', async () => {
    const connection = await connectRaw(await serveBriefly());
    connection.send(`GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`);
    expect(answersIn(await connection.closed).map(({ status }) => status)).toEqual([200]);
  });
});

describe('a request that a proxy may read differently', () => {
  const get = (fields: string, target = '/healthz') => `GET ${target} HTTP/1.1\r\n${fields}connection: close\r\n\r\n`;
  const statusesOf = async (sent: string): Promise<number[]> => {
    const connection = await connectRaw(await serve());
    connection.send(sent);
    return answersIn(await connection.closed).map(({ status }) => status);
  };

  it.each([
    ['two hosts', 'host: a\r\nhost: b\r\n'],
    ['two equal hosts', 'host: a\r\nhost: a\r\n'],
    ['a list of hosts', 'host: a,b\r\n'],
    ['a host with a path', 'host: a/b\r\n'],
    ['a host with a user', 'host: a@b\r\n'],
    ['a host with a blank', 'host: a b\r\n'],
    ['a host with a port that is no number', 'host: a:b\r\n'],
  ])('is refused with 400: %s', async (_what, fields) => {
    expect(await statusesOf(get(fields))).toEqual([400]);
  });

  it.each(['a', 'shop.example.com:8080', '127.0.0.1:1', '[::1]:8080', 'xn--bcher-kva.example', 'my_service.local', ''])(
    'is none with a valid host: %j',
    async (host) => {
      expect(await statusesOf(get(`host: ${host}\r\n`))).toEqual([200]);
    },
  );

  it('has none of two operator tokens', async () => {
    const right = `authorization: Bearer ${OPERATOR_TOKEN}\r\n`;
    const actions = '/api/v1/admin/actions';
    expect(await statusesOf(get(`host: a\r\n${right}`, actions))).toEqual([200]);
    await app.close();
    expect(await statusesOf(get(`host: a\r\n${right}authorization: Bearer x\r\n`, actions))).toEqual([401]);
  });

  it('has none of two content types', async () => {
    const body = '{"user_id":"alice","product_id":1}';
    const sent = `${HEAD}content-type: text/plain\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`;
    expect(await statusesOf(sent)).toEqual([415]);
  });
});

describe('header spoofing', () => {
  it('of the host: no answer and no link repeats it', async () => {
    const port = await serveBriefly();
    const sale = await context.openSale();
    const token = await app.tokenOf(sale, 'alice');
    const body = JSON.stringify({ user_id: 'alice', product_id: sale.id, token });
    const connection = await connectRaw(port);
    connection.send(
      'POST /api/v1/seckill/buy HTTP/1.1\r\nhost: evil.test\r\nx-forwarded-host: evil.test\r\nforwarded: host=evil.test\r\n' +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
    );
    const answer = await connection.closed;
    expect(answer).toMatch(/^HTTP\/1\.1 202 .*\r\nlocation: \/api\/v1\/orders\//s);
    expect(answer).not.toContain('evil.test');
    const connectionOfDocs = await connectRaw(port);
    connectionOfDocs.send('GET /docs/json HTTP/1.1\r\nhost: evil.test\r\nconnection: close\r\n\r\n');
    expect(await connectionOfDocs.closed).not.toContain('evil.test');
  });

  it('of the method: an override is ignored', async () => {
    await serve();
    const sale = await context.openSale();
    for (const name of ['x-http-method-override', 'x-method-override', 'x-http-method']) {
      const answer = await app.get(`/api/v1/products/${sale.id}?_method=DELETE`, { [name]: 'DELETE' });
      expect([answer.statusCode, answer.json<{ id: number }>().id]).toEqual([200, sale.id]);
    }
  });

  it('of the path: a possible rewrite of a gateway is ignored', async () => {
    await serve();
    for (const name of ['x-original-url', 'x-rewrite-url', 'x-forwarded-prefix']) {
      expect(await app.get('/nope', { [name]: '/healthz' })).toBeProblem('not_found');
    }
  });
});
