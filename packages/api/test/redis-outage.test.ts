import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '@flash-sale/shared/platform/config/config.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { claimShard, ledgerName } from '@flash-sale/shared/reconciliation/claim-shard.ts';
import { rebuildSale } from '@flash-sale/shared/reconciliation/rebuild.ts';
import {
  AS_OPERATOR,
  effectsOn,
  openApp,
  openTestContext,
  settleOrder,
  type TestApp,
  type TestContext,
} from '../testing/support.ts';
import { openOwnRedis, type OwnServer } from '../testing/own-servers.ts';
import { startProcess } from '../testing/service.ts';
import { batchNoOf } from '@flash-sale/shared/order/order-number.ts';
import { ANSWERED, ANSWER_MS_MAX, PRODUCT, REDIS_TIMEOUT_MS, timed } from './outage.ts';

describe('while Redis is down', () => {
  let redis: OwnServer;
  let context: TestContext;
  let app: TestApp;
  /** A sale with a settled, a queued and a future order. */
  let sale: Sale;
  let settled: string;
  let queued: string;
  let token: string;

  beforeAll(async () => {
    redis = await openOwnRedis();
    context = await openTestContext({ ...redis.env, REDIS_TIMEOUT_MS: String(REDIS_TIMEOUT_MS) });
    context.redis.on('error', () => undefined);
    // As each process does at its start.
    await claimShard(context, 0, await ledgerName(context.db));
  });

  afterAll(async () => {
    await context.close();
    await redis.close();
  });

  beforeEach(async () => {
    app = await openApp(context);
    sale = await context.openSale();
    settled = await app.win(sale, `winner-${sale.id}`);
    await settleOrder(context, sale, settled);
    // As if its batch had been forgotten: the ledger is asked.
    await context.redis.del(context.keys.settledBatch(sale, batchNoOf(settled)));
    queued = await app.win(sale, 'queued');
    token = await app.tokenOf(sale, 'shopper');
    // The api has seen the sale and the list.
    await app.get('/api/v1/products');
  });

  afterEach(() => app.close());

  /** Every call with its answer during this time, by the contract. */
  async function expectOutageAnswers(): Promise<void> {
    const calls = [
      await timed(app.buy(sale, 'shopper', token)),
      await timed(app.buy(sale, 'queued', token)),
      await timed(app.post('/api/v1/seckill/token', { user_id: 'shopper', product_id: sale.id })),
      await timed(app.post('/api/v1/admin/products', PRODUCT, AS_OPERATOR)),
      await timed(app.get(`/api/v1/orders/${queued}`)),
      await timed(app.get(`/api/v1/orders/01KARYB6S5Q0H9M3T7ZV5W8XCE-0-${sale.id}`)),
    ];
    // A forged or foreign seckill token needs no Redis to be refused.
    expect(calls[1]!.answer).toBeProblem('token_invalid');
    calls.splice(1, 1);
    for (const { answer, tookMs } of calls) {
      expect(answer).toBeProblem('unavailable');
      expect(tookMs).toBeLessThan(ANSWER_MS_MAX);
    }
    const product = await app.get(`/api/v1/products/${sale.id}`);
    expect(product.json()).toMatchObject({ id: sale.id, price: 19.99, status: 'not_ready', available: null });
    const list = (await app.get('/api/v1/products')).json<{ items: { id: number }[] }>();
    expect(list.items.map(({ id }) => id)).toContain(sale.id);
    const order = await app.get(`/api/v1/orders/${settled}`);
    expect(order.json()).toMatchObject({ order_no: settled, status: 'pending_payment' });
    expect((await app.get(`/api/v1/orders/${settled}?wait=20`)).json()).toMatchObject({ status: 'pending_payment' });
    const mine = await app.get(`/api/v1/orders?user_id=winner-${sale.id}`);
    expect(mine.json()).toMatchObject({ items: [{ order_no: settled }] });
    expect((await app.get('/healthz')).statusCode).toBe(200);
    const ready = await app.get('/readyz');
    expect([ready.statusCode, ready.json()]).toEqual([200, { status: 'ready', redis: false, mysql: true }]);
  }

  it('answers buys and seckill tokens with unavailable in time, and reads from the ledger: Redis killed', async () => {
    const salesBefore = await context.db.selectFrom('products').select('id').execute();
    await redis.kill();
    try {
      await expectOutageAnswers();
      // A sale that could not be loaded is not created.
      expect(await context.db.selectFrom('products').select('id').execute()).toEqual(salesBefore);
    } finally {
      await redis.restart();
    }
  });

  it('answers the same if Redis hangs, and calls sent to it have no effect when it continues (promise 7)', async () => {
    const before = await effectsOn(context, sale, 'shopper');
    redis.freeze();
    try {
      await expectOutageAnswers();
    } finally {
      redis.thaw();
    }
    // Comes after the calls, on their connection or a newer one: once this is answered, they have
    // been run.
    await vi.waitFor(() => app.deps.redis.ping(), ANSWERED);
    expect(await effectsOn(context, sale, 'shopper')).toEqual(before);
    expect((await app.buy(sale, 'shopper', token)).statusCode).toBe(202);
  });

  it('has less than 1 s by default', () => {
    expect(loadConfig({}).REDIS_TIMEOUT_MS).toBeLessThan(1_000);
  });

  it('lets no buy wait longer than one call behind another one that hangs', async () => {
    redis.freeze();
    try {
      const first = timed(app.buy(sale, 'shopper', token));
      // Arrive while the first one's call hangs: at once, and when it has almost given up.
      const behind = [timed(app.buy(sale, 'shopper', token))];
      const startedMs = performance.now();
      await vi.waitFor(() => expect(performance.now() - startedMs).toBeGreaterThan(REDIS_TIMEOUT_MS / 3));
      behind.push(timed(app.buy(sale, 'shopper', token)));
      for (const { answer, tookMs } of await Promise.all([first, ...behind])) {
        expect(answer).toBeProblem('unavailable');
        expect(tookMs).toBeLessThan(ANSWER_MS_MAX);
      }
    } finally {
      redis.thaw();
    }
  });

  it('sheds a buy at once if too many wait, before any effect', async () => {
    const narrow = await openApp(context, {}, { bounds: { buysWaitingMax: 2 } });
    const shoppers = ['w1', 'w2', 'w3', 'w4'];
    const tokens = await Promise.all(shoppers.map((shopper) => narrow.tokenOf(sale, shopper)));
    redis.freeze();
    try {
      const answers = await Promise.all(shoppers.map((shopper, i) => timed(narrow.buy(sale, shopper, tokens[i]!))));
      // One is in flight, two wait, and the last one finds no room.
      const codes = answers.map(({ answer }) => answer.json<{ code: string }>().code);
      expect(codes).toEqual(['unavailable', 'unavailable', 'unavailable', 'overloaded']);
      expect(answers[3]!.answer).toBeProblem('overloaded');
      expect(answers[3]!.tookMs).toBeLessThan(answers[0]!.tookMs);
    } finally {
      redis.thaw();
    }
    await vi.waitFor(() => narrow.deps.redis.ping(), ANSWERED);
    // Those that were never sent have no effect; the first one's outcome is not known, and its
    // retry finds out.
    const { owners } = context.keys.sale(sale);
    expect(await context.redis.hmget(owners, 'w2', 'w3', 'w4')).toEqual([null, null, null]);
    const numberOfFirst = await context.redis.hget(owners, 'w1');
    const retry = (await narrow.buy(sale, 'w1', tokens[0]!)).json<{ order_no: string }>();
    expect(retry.order_no).toBe(numberOfFirst ?? (await context.redis.hget(owners, 'w1')));
    await narrow.close();
  });

  it('is not_ready, never sold out and never 404, from a restart of Redis until the sale is rebuilt', async () => {
    const winner = (await app.buy(sale, 'shopper', token)).json<{ order_no: string }>().order_no;
    await redis.kill();
    await redis.restart();
    const unknown = `01KARYB6S5Q0H9M3T7ZV5W8XCE-0-${sale.id}`;
    await vi.waitFor(async () => expect(await app.buy(sale, 'shopper', token)).toBeProblem('not_ready'), 10_000);
    expect(await app.post('/api/v1/seckill/token', { user_id: 'new', product_id: sale.id })).toBeProblem('not_ready');
    expect(await app.get(`/api/v1/orders/${unknown}`)).toBeProblem('not_ready');
    expect((await app.get(`/api/v1/products/${sale.id}`)).json()).toMatchObject({
      status: 'not_ready',
      available: null,
    });
    // Accepted is durable (promise 6): the reservations still exist.
    expect((await app.get(`/api/v1/orders/${winner}`)).json()).toMatchObject({ status: 'queued' });
    expect((await app.get(`/api/v1/orders/${settled}`)).json()).toMatchObject({ status: 'pending_payment' });

    expect(await rebuildSale(context, sale, 5_000)).toMatchObject({ held: 3, available: 7 });
    expect((await app.buy(sale, 'shopper', token)).json()).toMatchObject({ order_no: winner, replayed: true });
    expect(await app.get(`/api/v1/orders/${unknown}`)).toBeProblem('not_found');
    await app.win(sale, 'next');
  });

  it('is not_ready if Redis was emptied: a lost number does not get 404 before the rebuild', async () => {
    await context.redis.flushall();
    expect(await app.buy(sale, 'shopper', token)).toBeProblem('not_ready');
    expect(await app.get(`/api/v1/orders/${queued}`)).toBeProblem('not_ready');
    expect((await app.get(`/api/v1/orders/${settled}`)).json()).toMatchObject({ status: 'pending_payment' });
    expect(await rebuildSale(context, sale, 5_000)).toMatchObject({ held: 1, available: 9 });
    expect(await app.get(`/api/v1/orders/${queued}`)).toBeProblem('not_found');
    await app.win(sale, 'shopper');
  });

  it('continues to sell after SCRIPT FLUSH: the scripts are sent again', async () => {
    await context.redis.call('SCRIPT', 'FLUSH');
    expect((await app.buy(sale, 'shopper', token)).statusCode).toBe(202);
  });
});

it('answers all of an operator’s calls if it was started while Redis was down', async () => {
  const context = await openTestContext();
  await context.insertSale();
  const api = await startProcess('api', { ...context.env, REDIS_ADDR: '127.0.0.1:1', SERVER_PORT: '0' });
  try {
    for (const path of ['/api/v1/admin/products', '/api/v1/admin/jobs', '/admin/queues/api/queues']) {
      const response = await fetch(`http://127.0.0.1:${api.ready.port}${path}`, {
        headers: AS_OPERATOR,
        signal: AbortSignal.timeout(5_000),
      });
      expect([path, response.status]).toEqual([path, path.endsWith('products') ? 200 : 503]);
    }
  } finally {
    await api.stop();
    await context.close();
  }
}, 30_000);
