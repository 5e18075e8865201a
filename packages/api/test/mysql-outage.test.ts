import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  AS_OPERATOR,
  openApp,
  openTestContext,
  settleOrder,
  type TestApp,
  type TestContext,
} from '../testing/support.ts';
import { openOwnMysql, type OwnServer } from '../testing/own-servers.ts';
import { startProcess } from '../testing/service.ts';
import { ANSWER_MS_MAX, PRODUCT, timed } from './outage.ts';

describe('while MySQL is down', () => {
  let mysql: OwnServer;
  let context: TestContext;
  let app: TestApp;

  beforeAll(async () => {
    mysql = await openOwnMysql();
    context = await openTestContext(mysql.env);
    app = await openApp(context);
  }, 60_000);

  afterAll(async () => {
    await app.close();
    await context.close();
    await mysql.close();
  });

  it.each<[string, () => void | Promise<void>, () => void | Promise<void>]>([
    ['killed', () => mysql.kill(), () => mysql.restart()],
    ['hanging', () => mysql.freeze(), () => mysql.thaw()],
  ])('sells, gives out seckill tokens and answers polls as ever; %s', async (how, takeAway, bringBack) => {
    const sale = await context.openSale();
    const winner = `winner-${how}`;
    const settled = await app.win(sale, winner);
    await settleOrder(context, sale, settled);
    await takeAway();
    try {
      const { answer, tookMs } = await timed(
        app.post('/api/v1/seckill/token', { user_id: 'shopper', product_id: sale.id }),
      );
      expect(answer.statusCode).toBe(200);
      const { token } = answer.json<{ token: string }>();
      const buy = await timed(app.buy(sale, 'shopper', token));
      expect(buy.answer.statusCode).toBe(202);
      const { order_no: orderNo } = buy.answer.json<{ order_no: string }>();
      const queued = await timed(app.get(`/api/v1/orders/${orderNo}`));
      expect(queued.answer.json()).toMatchObject({ status: 'queued' });
      await context.redis.hset(context.keys.sale(sale).state, { taken_until_ms: Date.now() + 60_000 });
      const taken = await timed(app.get(`/api/v1/orders/${orderNo}`));
      // Only the ledger knows what became of it since.
      expect(taken.answer).toBeProblem('unavailable');
      const replay = await timed(app.buy(sale, winner, await app.tokenOf(sale, winner)));
      expect(replay.answer.json()).toEqual({
        order_no: settled,
        status: 'pending_payment',
        quantity: 1,
        replayed: true,
      });
      expect((await app.get(`/api/v1/orders/${settled}?wait=20`)).json()).toMatchObject({ status: 'pending_payment' });
      const product = await timed(app.get(`/api/v1/products/${sale.id}`));
      expect(product.answer.json()).toMatchObject({ status: 'open', available: 8 });
      for (const took of [tookMs, buy.tookMs, queued.tookMs, taken.tookMs, replay.tookMs, product.tookMs]) {
        expect({ how, took }).toEqual({ how, took: expect.toSatisfy((ms: number) => ms < ANSWER_MS_MAX) });
      }
      const ready = await app.get('/readyz');
      expect([ready.statusCode, ready.json()]).toEqual([200, { status: 'ready', redis: true, mysql: false }]);
    } finally {
      await bringBack();
    }
    await vi.waitFor(async () => expect((await app.get('/readyz')).json()).toMatchObject({ mysql: true }), 15_000);
    await vi.waitFor(async () => {
      expect((await app.get(`/api/v1/orders?user_id=${winner}`)).json()).toMatchObject({
        items: [{ order_no: settled }],
      });
    }, 15_000);
  });

  it('never answers not_found for a sale or an order only because the process has not read it yet', async () => {
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'alice');
    const token = await app.tokenOf(sale, 'bob');
    const fresh = await openApp(context);
    await mysql.kill();
    try {
      expect(await fresh.get(`/api/v1/products/${sale.id}`)).toBeProblem('unavailable');
      expect(await fresh.get(`/api/v1/orders/${orderNo}`)).toBeProblem('unavailable');
      expect(await fresh.buy(sale, 'bob', token)).toBeProblem('unavailable');
    } finally {
      await mysql.restart();
    }
    await vi.waitFor(async () => expect((await fresh.buy(sale, 'bob', token)).statusCode).toBe(202), 15_000);
    await fresh.close();
  });

  it('stops cleanly if MySQL hangs during a connection attempt', async () => {
    const api = await startProcess('api', { ...context.env, SERVER_PORT: '0' });
    const readiness = async () =>
      (await fetch(`http://127.0.0.1:${api.ready.port}/readyz`)).json() as Promise<{ mysql: boolean }>;
    mysql.freeze();
    try {
      await vi.waitFor(async () => expect(await readiness()).toMatchObject({ mysql: false }), 15_000);
      expect(await api.stop()).toBe(0);
    } finally {
      mysql.thaw();
      await api.kill();
    }
  }, 40_000);

  it('answers unavailable if only MySQL could know, and returns its last list', async () => {
    const sale = await context.openSale();
    const list = (await app.get('/api/v1/products')).json<{ items: object[] }>();
    await mysql.kill();
    try {
      expect(await app.get('/api/v1/products/999999')).toBeProblem('unavailable');
      expect(await app.get('/api/v1/products?limit=7')).toBeProblem('unavailable');
      expect(await app.get('/api/v1/orders?user_id=alice')).toBeProblem('unavailable');
      expect(await app.post('/api/v1/admin/products', PRODUCT, AS_OPERATOR)).toBeProblem('unavailable');
      expect(await app.post(`/api/v1/admin/products/${sale.id}/pause`, undefined, AS_OPERATOR)).toBeProblem(
        'unavailable',
      );
      expect((await app.get('/api/v1/products')).json()).toEqual(list);
    } finally {
      await mysql.restart();
    }
  });
});
