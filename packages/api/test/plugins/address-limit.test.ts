import { describe, expect, it } from 'vitest';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { newBatchNo, newOrderNumber } from '@flash-sale/shared/order/order-number.ts';
import { openApp, testContext, type TestApp } from '../../testing/support.ts';

const context = await testContext({ RATE_LIMIT_IP: '1/5' });
const sale = await context.openSale({ seckillStock: 100 });

const PROXY = { TRUSTED_PROXIES: '127.0.0.0/8,10.0.0.0/8' };
const FORGER = { 'x-forwarded-for': '192.0.2.66' };
const orderUrl = (i: number, saleId = sale.id): string =>
  `/api/v1/orders/${newOrderNumber({ id: saleId, shard: 0 }, newBatchNo(i))}`;
let users = 0;
const ask = (app: TestApp, forwarded?: string) =>
  app.post(
    '/api/v1/seckill/token',
    { user_id: `u${(users += 1)}`, product_id: sale.id },
    forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  );

async function within<Result>(env: Record<string, string>, work: (app: TestApp) => Promise<Result>): Promise<Result> {
  const app = await openApp(context, env);
  try {
    return await work(app);
  } finally {
    await app.close();
  }
}

/** How many of so many seckill tokens are had, each asked for from an address of its own. */
const granted = async (app: TestApp, addressOf: (i: number) => string, count = 10): Promise<number> => {
  const answers = [];
  for (let i = 0; i < count; i += 1) answers.push(await ask(app, addressOf(i)));
  for (const answer of answers) if (answer.statusCode !== 200) expect(answer).toBeProblem('rate_limited');
  return answers.filter(({ statusCode }) => statusCode === 200).length;
};

describe('the limit of an address', () => {
  it('counts seckill tokens and products together, returns a retry time, and is separate for each address', () =>
    within(PROXY, async (app) => {
      for (let i = 0; i < 3; i += 1) expect((await ask(app, '192.0.2.1')).statusCode).toBe(200);
      const read = (path: string, address: string) => app.get(path, { 'x-forwarded-for': address });
      expect((await read('/api/v1/products', '192.0.2.1')).statusCode).toBe(200);
      expect((await read(`/api/v1/products/${sale.id}`, '192.0.2.1')).statusCode).toBe(200);
      const refused = await ask(app, '192.0.2.1');
      expect(refused).toBeProblem('rate_limited');
      expect(refused.headers).toMatchObject({
        'ratelimit-policy': '"address";q=5;w=5',
        ratelimit: '"address";r=0;t=1',
      });
      expect(await read('/api/v1/products', '192.0.2.1')).toBeProblem('rate_limited');
      expect((await ask(app, '192.0.2.2')).statusCode).toBe(200);
      await expect.poll(async () => (await ask(app, '192.0.2.1')).statusCode, { timeout: 10_000 }).toBe(200);
    }));

  it('refuses before it reads the body or asks a server', () =>
    within(PROXY, async (app) => {
      await granted(app, () => '192.0.2.3', 5);
      const answer = await app.server.inject({
        method: 'POST',
        url: '/api/v1/seckill/token',
        headers: { 'x-forwarded-for': '192.0.2.3', 'content-type': 'application/json' },
        payload: 'not json',
      });
      expect(answer).toBeProblem('rate_limited');
    }));

  it.each<[string, (app: TestApp, i: number) => ReturnType<TestApp['get']>]>([
    ['orders', (app, i) => app.get(orderUrl(i), FORGER)],
    ['orders of sales that do not exist', (app, i) => app.get(orderUrl(i, 900_000 + i), FORGER)],
    ['payments', (app, i) => app.post(`${orderUrl(i)}/pay`, { user_id: 'forger' }, FORGER)],
    ['cancellations', (app, i) => app.post(`${orderUrl(i)}/cancel`, { user_id: 'forger' }, FORGER)],
    [
      'places in rooms',
      (app, i) => app.get(`/api/v1/seckill/queue?user_id=f&ticket=t&product_id=${900_000 + i}`, FORGER),
    ],
  ])('counts the misses of a caller who tries numbers: %s', (_what, attempt) =>
    within(PROXY, async (app) => {
      const statuses: number[] = [];
      for (let i = 0; i < 8; i += 1) statuses.push((await attempt(app, i)).statusCode);
      expect(statuses.slice(0, 5)).toEqual([404, 404, 404, 404, 404]);
      expect(statuses.slice(5)).toContain(429);
      // Who asks for what exists is never counted.
      const forwarded = { 'x-forwarded-for': '192.0.2.77' };
      const { token } = (await ask(app, '192.0.2.77')).json<{ token: string }>();
      const bought = await app.post(
        '/api/v1/seckill/buy',
        { user_id: `u${users}`, product_id: sale.id, token },
        forwarded,
      );
      for (let i = 0; i < 8; i += 1) {
        expect((await app.get(String(bought.headers.location), forwarded)).statusCode).toBe(200);
      }
    }),
  );

  it('charges each of many misses that are under way at once', () =>
    within(PROXY, async (app) => {
      const misses = await Promise.all(Array.from({ length: 20 }, (_, i) => app.get(orderUrl(i), FORGER)));
      expect(misses.map(({ statusCode }) => statusCode)).toEqual(misses.map(() => 404));
      const refused = await app.get(orderUrl(20), FORGER);
      expect(refused).toBeProblem('rate_limited');
      // One a second, and five at once: 20 misses are paid for in 16 s.
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(8);
    }));

  it('charges misses whose caller hangs up before the answer', () =>
    within(PROXY, async (app) => {
      await app.server.listen({ host: '127.0.0.1', port: 0 });
      const { port } = app.server.server.address() as AddressInfo;
      const orderNo = await app.win(sale, `u${(users += 1)}`);
      const existing = () => app.get(`/api/v1/orders/${orderNo}`, FORGER).then(({ statusCode }) => statusCode);
      expect(await existing()).toBe(200);
      for (let i = 0; i < 10; i += 1) {
        const socket = connect(port, '127.0.0.1');
        await once(socket, 'connect');
        const { 'x-forwarded-for': forwarded } = FORGER;
        const head = `GET ${orderUrl(i)} HTTP/1.1\r\nhost: a\r\nx-forwarded-for: ${forwarded}\r\n\r\n`;
        socket.write(head, () => socket.destroy());
      }
      await expect.poll(existing, { timeout: 5_000, interval: 20 }).toBe(429);
    }));

  it('affects no buy and no poll, which have limits of their own', () =>
    within(PROXY, async (app) => {
      const forwarded = { 'x-forwarded-for': '192.0.2.4' };
      const token = (await ask(app, '192.0.2.4')).json<{ token: string }>().token;
      await granted(app, () => '192.0.2.4');
      const buy = { user_id: `u${users - 10}`, product_id: sale.id, token };
      const bought = await app.post('/api/v1/seckill/buy', buy, forwarded);
      expect(bought.statusCode).toBe(202);
      expect((await app.get(String(bought.headers.location), forwarded)).statusCode).toBe(200);
    }));

  it('does not apply to programs of this machine, except in production', async () => {
    await within({}, async (app) => expect(await granted(app, () => '', 20)).toBe(20));
    const production = { NODE_ENV: 'production', PAYMENT_PROVIDER: 'sandbox', AUTH_MODE: 'trusted', ...PROXY };
    await within(production, async (app) => {
      for (let i = 0; i < 5; i += 1) expect((await ask(app)).statusCode).toBe(200);
      expect(await ask(app)).toBeProblem('rate_limited');
    });
  });
});

describe('attack: a forged address in X-Forwarded-For', () => {
  it('is ignored without trusted proxies: the connecting address is the caller', () =>
    within(
      { NODE_ENV: 'production', PAYMENT_PROVIDER: 'sandbox', AUTH_MODE: 'trusted', TRUSTED_PROXIES: '10.0.0.0/8' },
      async (app) => {
        expect(await granted(app, (i) => `192.0.2.${i}`)).toBe(5);
      },
    ));

  it('is ignored before the address that the trusted proxy saw', () =>
    within(PROXY, async (app) => {
      expect(await granted(app, (i) => `198.51.100.${i}, 192.0.2.5`)).toBe(5);
      expect(await granted(app, (i) => `127.0.0.1, 198.51.100.${i}, 192.0.2.6, 10.0.0.1`)).toBe(5);
    }));

  it('is one caller in every spelling, and for every address of an IPv6 /64', () =>
    within(PROXY, async (app) => {
      const spellings = ['192.0.2.7', '::ffff:192.0.2.7', '::FFFF:192.0.2.7'];
      expect(await granted(app, (i) => spellings[i % 3]!)).toBe(5);
      expect(await granted(app, (i) => `2001:db8:7:7:${i}::1`)).toBe(5);
      expect(await granted(app, (i) => `2001:db8:7:${i + 8}::1`)).toBe(10);
    }));

  it('that is no address has no effect', () =>
    within(PROXY, async (app) => {
      for (const forwarded of ['', ',', 'unknown', '1.2.3.4.5', ':::', '%', 'x'.repeat(8_000), "'; DROP TABLE"]) {
        expect([200, 429]).toContain((await ask(app, forwarded)).statusCode);
      }
    }));
});

describe('attack: an address in another spelling', () => {
  const spellings = (i: number): string =>
    [
      `203.0.113.9:${50_000 + i}`,
      `[::ffff:203.0.113.9]:${443 + i}`,
      '::FFFF:203.0.113.9',
      '::ffff:cb00:7109',
      `[::ffff:203.0.113.9%eth${i}]`,
    ][i % 5]!;

  it('has one limit with all of its spellings, such as with a port', () =>
    within(PROXY, async (app) => {
      expect(await granted(app, spellings)).toBe(5);
    }));

  it('can be behind proxies that add their ports', () =>
    within(PROXY, async (app) => {
      expect(await granted(app, (i) => `203.0.113.${i}, 203.0.113.9:${i + 1}, [::ffff:10.0.0.1]:443`)).toBe(5);
    }));

  it('is the address of the proxy that named something other than an address', () =>
    within(PROXY, async (app) => {
      const nonsense = ['unknown', '_x7', '203.0.113.010', '1.2.3.4/0', '"', ':', 'localhost:80'];
      expect(await granted(app, (i) => `${nonsense[i % 7]}${i}, 10.0.0.7`)).toBe(5);
    }));
});
