import { describe, expect, it } from 'vitest';
import { AS_OPERATOR, effectsOn, openTestApp } from '../../testing/support.ts';

const { context, app } = await openTestApp();
const sale = await context.openSale();
const token = await app.tokenOf(sale, 'alice');

const send = (url: string, payload: string, headers: Record<string, string> = {}) =>
  app.server.inject({ method: 'POST', url, payload, headers: { 'content-type': 'application/json', ...headers } });
const valid = () => ({ user_id: 'alice', product_id: sale.id, token });

/** Every call with a body, and whose credentials it needs. */
const CALLS: readonly (readonly [string, Record<string, string>])[] = [
  ['/api/v1/seckill/token', {}],
  ['/api/v1/seckill/buy', {}],
  ['/api/v1/orders/01KARYB6S5Q0H9M3T7ZV5W8XCE-0-1/pay', {}],
  ['/api/v1/orders/01KARYB6S5Q0H9M3T7ZV5W8XCE-0-1/cancel', {}],
  ['/api/v1/admin/products', AS_OPERATOR],
];

describe.each(CALLS)('%s', (url, headers) => {
  it('oversized: a body above its limit is refused before it is parsed', async () => {
    expect(await send(url, `{"user_id":"${'x'.repeat(50_000)}"}`, headers)).toBeProblem('payload_too_large');
    // It is not read to its end: the announced length is enough.
    expect(await send(url, '{}', { ...headers, 'content-length': '1000000000' })).toBeProblem('payload_too_large');
  });

  it.each([
    ['arrays', '['.repeat(1_900) + ']'.repeat(1_900)],
    ['objects', `${'{"a":'.repeat(600)}1${'}'.repeat(600)}`],
    ['a field', `{"user_id":${'['.repeat(1_900)}${']'.repeat(1_900)}}`],
  ])('deep: %s in each other are refused', async (_what, payload) => {
    expect(await send(url, payload, headers)).toBeProblem('invalid_request');
  });

  it.each([
    '{',
    '{"a":',
    '{"a":1,}',
    "{'a':1}",
    '{"a":1}}',
    '[1',
    'nul',
    '\u0000',
    '\ufeff\ufeff{}',
    '{"a":01}',
    '"\\ud800',
    '{"a":\t\b}',
  ])('malformed: %j is refused', async (payload) => {
    expect(await send(url, payload, headers)).toBeProblem('invalid_request');
  });

  it.each(['null', '1', '"text"', 'true', '[]', '[{}]'])(
    'wrong-typed: %s in place of an object is refused',
    async (payload) => {
      expect(await send(url, payload, headers)).toBeProblem('invalid_request');
    },
  );

  it.each([
    '{"__proto__":{"user_id":"alice"}}',
    '{"\\u005f\\u005fproto\\u005f_":{"user_id":"alice"}}',
    '{"a":{"__proto__":{"isAdmin":true}}}',
    '{"constructor":{"prototype":{"isAdmin":true}}}',
    '{"__proto__":null}',
  ])('prototype pollution: %s is refused, and pollutes nothing', async (payload) => {
    expect(await send(url, payload, headers)).toBeProblem('invalid_request');
    expect([({} as Record<string, unknown>)['isAdmin'], ({} as Record<string, unknown>)['user_id']]).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('an extra property is refused, and not silently dropped', async () => {
    for (const name of ['price', 'status', 'isAdmin', 'toString', 'hasOwnProperty', '']) {
      expect(await send(url, JSON.stringify({ ...valid(), [name]: 1 }), headers)).toBeProblem('invalid_request');
    }
  });
});

describe('wrong-typed fields of a buy', () => {
  const STRANGE: readonly unknown[] = [null, true, -1, 0, 1.5, 1e21, '', ' ', '1', [], ['alice'], {}, { $ne: null }];

  it.each(['user_id', 'product_id', 'token'] as const)('of %s are refused and change nothing', async (field) => {
    const before = await effectsOn(context, sale, 'alice');
    // Some of these are text that could be a token or an id, and is neither alice's nor ours.
    const isText = (value: unknown): boolean =>
      typeof value === 'string' && { user_id: /^\S+$/, token: /./, product_id: /^$(?=.)/ }[field].test(value);
    for (const value of STRANGE) {
      const answer = await send('/api/v1/seckill/buy', JSON.stringify({ ...valid(), [field]: value }));
      expect(answer).toBeProblem(isText(value) ? 'token_invalid' : 'invalid_request');
    }
    expect(await effectsOn(context, sale, 'alice')).toEqual(before);
  });

  it('a number as text is no number, and a number is no text', async () => {
    expect(await send('/api/v1/seckill/buy', JSON.stringify({ ...valid(), product_id: String(sale.id) }))).toBeProblem(
      'invalid_request',
    );
    expect(await send('/api/v1/seckill/buy', JSON.stringify({ ...valid(), user_id: 1 }))).toBeProblem(
      'invalid_request',
    );
  });

  it('a duplicate key: the last one counts, as in all other parts of the request', async () => {
    const twice = `{"user_id":"mallory","user_id":"alice","product_id":${sale.id},"token":"${token}"}`;
    const answer = await send('/api/v1/seckill/buy', twice);
    expect(answer.statusCode).toBe(202);
    const order = await app.get(`/api/v1/orders/${answer.json<{ order_no: string }>().order_no}`);
    expect(order.json()).toMatchObject({ user_id: 'alice' });
  });
});

describe('a body in an unsupported encoding', () => {
  const buy = () => JSON.stringify(valid());

  it.each(['gzip', 'br', 'deflate', 'zstd', 'gzip, identity', 'x'])(
    'is unsupported_media_type under content-encoding: %s, and says what would have been taken',
    async (coding) => {
      const answer = await send('/api/v1/seckill/buy', buy(), { 'content-encoding': coding });
      expect(answer).toBeProblem('unsupported_media_type');
      expect(answer.headers['accept-encoding']).toBe('identity');
    },
  );

  it.each(['utf-16', 'iso-8859-1', '"UTF-32"'])('is unsupported_media_type in %s', async (charset) => {
    const headers = { 'content-type': `application/json; charset=${charset}` };
    const answer = await send('/api/v1/seckill/buy', buy(), headers);
    expect(answer).toBeProblem('unsupported_media_type');
    expect(answer.headers['accept']).toBe('application/json');
  });

  it('is refused on every call, before any effect', async () => {
    for (const [url, headers] of CALLS) {
      const answer = await send(url, '\u001f\u008b', { ...headers, 'content-encoding': 'gzip' });
      expect(answer).toBeProblem('unsupported_media_type');
    }
  });

  it.each<Record<string, string>>([
    { 'content-encoding': 'identity' },
    { 'content-type': 'application/json; charset="UTF-8"' },
  ])('is accepted if it is no encoding: %j', async (headers) => {
    expect((await send('/api/v1/seckill/token', '{"user_id":"alice","product_id":0}', headers)).statusCode).toBe(400);
  });

  it('with another media type names the accepted ones', async () => {
    const answer = await send('/api/v1/seckill/buy', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' });
    expect(answer).toBeProblem('unsupported_media_type');
    expect(answer.headers['accept']).toBe('application/json');
  });
});
