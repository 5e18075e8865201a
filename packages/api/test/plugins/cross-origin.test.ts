import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApp, openTestContext, type TestApp, type TestContext } from '../../testing/support.ts';

const SHOP = 'https://shop.test';

let context: TestContext;
let closed: TestApp;
let open: TestApp;

beforeAll(async () => {
  context = await openTestContext();
  closed = await openApp(context);
  open = await openApp(context, { CORS_ORIGINS: `${SHOP},http://localhost:3000` });
});

afterAll(async () => {
  await Promise.all([closed.close(), open.close()]);
  await context.close();
});

const preflight = (app: TestApp, origin: string, url = '/api/v1/seckill/buy') =>
  app.server.inject({
    method: 'OPTIONS',
    url,
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,x-evil',
    },
  });

/** What a browser would go by. */
const permissions = (headers: Record<string, unknown>) =>
  Object.keys(headers).filter((name) => name.startsWith('access-control-'));

describe('pages of other origins', () => {
  it('may call nothing unless they are configured', async () => {
    const answer = await preflight(closed, SHOP);
    expect(answer).toBeProblem('method_not_allowed');
    expect(permissions(answer.headers)).toEqual([]);
    expect(permissions((await closed.get('/api/v1/products', { origin: SHOP })).headers)).toEqual([]);
  });

  it('may call if they are configured, without cookies, and may read the headers that they need', async () => {
    const answer = await preflight(open, SHOP);
    expect([answer.statusCode, answer.body]).toEqual([204, '']);
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': SHOP,
      'access-control-allow-methods': expect.stringContaining('POST'),
      'access-control-allow-headers': 'authorization, content-type, x-request-id',
      vary: expect.stringContaining('Origin'),
    });
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
    const call = await open.get('/api/v1/products', { origin: SHOP });
    expect(call.headers).toMatchObject({
      'access-control-allow-origin': SHOP,
      'access-control-expose-headers': expect.stringContaining('retry-after'),
      'cross-origin-resource-policy': 'cross-origin',
    });
  });

  it.each([
    'https://evil.test',
    'https://shop.test.evil.test',
    'http://shop.test',
    'https://SHOP.test',
    'null',
    `${SHOP}/`,
  ])('may not call if their origin is %s', async (origin) => {
    expect((await preflight(open, origin)).headers['access-control-allow-origin']).toBeUndefined();
    const call = await open.get('/api/v1/products', { origin });
    expect(call.headers['access-control-allow-origin']).toBeUndefined();
    expect(call.headers['cross-origin-resource-policy']).toBe('same-origin');
  });

  it('get the usual answer to an OPTIONS that is no preflight', async () => {
    expect(await open.server.inject({ method: 'OPTIONS', url: '/api/v1/products' })).toBeProblem('method_not_allowed');
    expect(await open.server.inject({ method: 'OPTIONS', url: '/nope' })).toBeProblem('not_found');
  });
});
