import { describe, expect, it } from 'vitest';
import { effectsOn, openTestApp, settleOrder } from '../../testing/support.ts';

const { context, app } = await openTestApp();
const sale = await context.openSale({ seckillStock: 100 });

/**
 * Ids that the contract allows and that have a meaning for Redis, Lua, SQL, a shell, a URL or
 * JavaScript.
 */
const METACHARACTERS: readonly string[] = [
  '{0}:1:owners',
  'a}:{b',
  '*',
  '?[a-z]*',
  'a:b:c',
  '#01KARYB6S5Q0H9M3T7ZV5W8XCE-0-1',
  `x')redis.call('FLUSHALL')--`,
  ']]redis.call("FLUSHALL")--[[',
  '%s%d%n%x',
  '\\0\\r\\n',
  `'OR'1'='1`,
  `';DROP/**/TABLE/**/orders;--`,
  '"OR""="',
  '`id`',
  '$(id)',
  '%27%20--',
  '\\',
  '../../../etc/passwd',
  '<script>',
  '__proto__',
  'constructor',
  'toString',
  'null',
  '0',
  '-1',
  'NaN',
];

describe('an id made of metacharacters', () => {
  it.each(METACHARACTERS)('%s is a normal shopper: one order, with exactly this id', async (userId) => {
    const orderNo = await app.win(sale, userId);
    await settleOrder(context, sale, orderNo);
    const list = await app.get(`/api/v1/orders?user_id=${encodeURIComponent(userId)}`);
    expect(list.json()).toMatchObject({ items: [{ order_no: orderNo, user_id: userId }], next_cursor: null });
    expect(await context.redis.hget(context.keys.sale(sale).owners, userId)).toBe(orderNo);
  });

  it('leaves only keys with valid names, and the sale conserves its units', async () => {
    const { state, owners } = context.keys.sale(sale);
    const held = await context.redis.hlen(owners);
    expect(held).toBe(METACHARACTERS.length);
    expect(Number(await context.redis.hget(state, 'available')) + held).toBe(sale.seckillStock);
  });
});

describe('CRLF, Unicode and control characters in an id', () => {
  it.each([
    'a\r\nset-cookie: admin=1',
    'a\nb',
    'a\tb',
    'a b',
    ' alice',
    'alice ',
    'a\u0000b',
    '\u007f',
    'ú1',
    'u\u0301',
    '\uff41lice',
    'аlice',
    '\u202ealice',
    'alice\u200b',
    '\ufeffalice',
    '\ud83d\ude00',
    '\ud800',
    'x'.repeat(256),
    '',
  ])('%j is refused in a body and in a query, and changes nothing', async (userId) => {
    const before = await effectsOn(context, sale, userId);
    const body = { user_id: userId, product_id: sale.id };
    expect(await app.post('/api/v1/seckill/token', body)).toBeProblem('invalid_request');
    expect(await app.post('/api/v1/seckill/buy', { ...body, token: 't' })).toBeProblem('invalid_request');
    // A URL carries a lone surrogate as the replacement character.
    const encoded = encodeURIComponent(userId.toWellFormed());
    expect(await app.get(`/api/v1/orders?user_id=${encoded}`)).toBeProblem('invalid_request');
    expect(await effectsOn(context, sale, userId)).toEqual(before);
  });

  it('in a path splits no header and finds nothing', async () => {
    for (const id of ['%0d%0aset-cookie:%20a=b', '%00', '%0a', 'ú', '%F0%9F%98%80', '%E2%80%AE', '1%0d%0a']) {
      for (const path of [`/api/v1/orders/${id}`, `/api/v1/products/${id}`]) {
        const answer = await app.get(path);
        expect([400, 404]).toContain(answer.statusCode);
        expect(answer.headers['set-cookie']).toBeUndefined();
      }
    }
  });

  it('in a request id is replaced, so that no log line can be forged', async () => {
    const answer = await app.get('/nope', { 'x-request-id': 'a"},{"level":"fatal"' });
    expect(answer.headers['x-request-id']).toMatch(/^[\w-]{1,64}$/);
  });
});

describe('injection by an order number, a cursor or a product id', () => {
  const HOSTILE = [
    "' OR 1=1 --",
    '1;SELECT SLEEP(5)',
    '1 UNION SELECT secret FROM token_secrets',
    '*',
    '{0}:1:owners',
    "01KARYB6S5Q0H9M3T7ZV5W8XCE-0-1' --",
    '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-1}:x:{',
    '01KARYB6S5Q0H9M3T7ZV5W8XCE-9999-999999999999999',
    '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-0',
    '01KARYB6S5Q0H9M3T7ZV5W8XCE--1-1',
    '../admin/products',
    '%00',
    '[object Object]',
  ];

  it.each(HOSTILE)('%s names nothing', async (text) => {
    const encoded = encodeURIComponent(text);
    expect(await app.get(`/api/v1/orders/${encoded}`)).toBeProblem('not_found');
    for (const action of ['pay', 'cancel']) {
      expect(await app.post(`/api/v1/orders/${encoded}/${action}`, { user_id: 'alice' })).toBeProblem('not_found');
    }
    expect((await app.get(`/api/v1/products/${encoded}`)).statusCode).toBeGreaterThanOrEqual(400);
    expect(await app.get(`/api/v1/products?cursor=${encoded}`)).toBeProblem('invalid_request');
  });

  it('a parameter given twice or as an object is refused', async () => {
    for (const query of ['user_id=a&user_id=b', 'user_id[]=a', 'user_id[$ne]=a', '__proto__[a]=1', 'limit=1&limit=2']) {
      expect(await app.get(`/api/v1/orders?${query}`)).toBeProblem('invalid_request');
    }
  });
});
