import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { openApp, openTestApp, settleOrder, type TestApp } from '../../testing/support.ts';
import { batchNoOf } from '@flash-sale/shared/order/order-number.ts';
import { insertOrders } from '@flash-sale/shared/order/orders-table.ts';
import { addSold } from '@flash-sale/shared/sale/products-table.ts';

const { context, app } = await openTestApp();

const waiters = async (on: TestApp): Promise<number> => (await on.deps.metrics.pollWaiters.get()).values[0]!.value;
/** Resolves once this many polls wait and Redis has confirmed the subscription to the sale. */
async function untilWaiting(on: TestApp, sale: Sale, count: number): Promise<void> {
  const { settled } = context.keys.sale(sale);
  await expect
    .poll(async () => [await waiters(on), await context.redis.call('PUBSUB', 'NUMSUB', settled)], { timeout: 10_000 })
    .toEqual([count, [settled, 1]]);
}

describe('GET /api/v1/orders/:orderNo', () => {
  it('shows a queued order and the retry time', async () => {
    const sale = await context.openSale({ priceCents: 1_005 });
    const beforeMs = (await context.commands.clock(0)).nowMs;
    const orderNo = await app.win(sale, 'alice');
    const answer = await app.get(`/api/v1/orders/${orderNo}`);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['retry-after']).toBe('1');
    const { created_at: createdAt, ...order } = answer.json<{ created_at: string }>();
    expect(order).toEqual({
      order_no: orderNo,
      user_id: 'alice',
      product_id: sale.id,
      status: 'queued',
      price: 10.05,
      quantity: 1,
      total: 10.05,
    });
    expect(createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Date.parse(createdAt)).toBeGreaterThanOrEqual(beforeMs);
  });

  it('shows a settled order, the same from Redis and from the ledger', async () => {
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'alice');
    const queued = (await app.get(`/api/v1/orders/${orderNo}`)).json<object>();
    await settleOrder(context, sale, orderNo);
    const fromRedis = await app.get(`/api/v1/orders/${orderNo}`);
    expect(fromRedis.headers['retry-after']).toBeUndefined();
    expect(fromRedis.json()).toEqual({ ...queued, status: 'pending_payment', expires_at: expect.any(String) });
    expect(await context.redis.del(context.keys.settledBatch(sale, batchNoOf(orderNo)))).toBe(1);
    expect((await app.get(`/api/v1/orders/${orderNo}`)).json()).toEqual(fromRedis.json());
  });

  it('shows why an order failed', async () => {
    const sale = await context.openSale();
    const orderNo = `01KARYB6S5Q0H9M3T7ZV5W8XCE-0-${sale.id}`;
    const now = new Date();
    const row = {
      order_no: orderNo,
      product_id: sale.id,
      user_id: 'bob',
      status: 'failed',
      price_cents: 1,
      reason: 'no_unit',
    };
    await context.db
      .insertInto('orders')
      .values({ ...row, status: 'failed', created_at: now, updated_at: now })
      .execute();
    expect((await app.get(`/api/v1/orders/${orderNo}?user_id=bob`)).json()).toMatchObject({
      status: 'failed',
      reason: 'no_unit',
    });
  });

  it('hides an order from another shopper', async () => {
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'alice');
    expect((await app.get(`/api/v1/orders/${orderNo}?user_id=alice`)).statusCode).toBe(200);
    expect(await app.get(`/api/v1/orders/${orderNo}?user_id=Alice`)).toBeProblem('not_found');
  });

  it('answers 404 for a number that was never issued, at once even with wait', async () => {
    const sale = await context.openSale();
    const unknown = `01KARYB6S5Q0H9M3T7ZV5W8XCE-0-${sale.id}`;
    expect(await app.get(`/api/v1/orders/${unknown}`)).toBeProblem('not_found');
    const askedMs = performance.now();
    expect(await app.get(`/api/v1/orders/${unknown}?wait=20`)).toBeProblem('not_found');
    expect(performance.now() - askedMs).toBeLessThan(5_000);
  });

  it.each([
    'x',
    '1',
    '..',
    'null',
    '01KARYB6S5Q0H9M3T7ZV5W8XCE',
    '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-',
    '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-0',
    '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-999999999999999',
    '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-9999999999999999',
    '01KARYB6S5Q0H9M3T7ZV5W8XCE-99999-1',
    '01karyb6s5q0h9m3t7zv5w8xce-0-1',
    '81KARYB6S5Q0H9M3T7ZV5W8XCE-0-1',
    '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-1%0A',
    '%00',
    "'%20OR%20''='",
    '%F0%9F%98%80',
    'x'.repeat(255),
    'x'.repeat(256),
    'x'.repeat(2_000),
  ])('answers 404 for %s', async (orderNo) => {
    expect(await app.get(`/api/v1/orders/${orderNo}`)).toBeProblem('not_found');
  });

  it('answers 404 for a number that names another shard than its sale', async () => {
    const sale = await context.openSale();
    expect(await app.get(`/api/v1/orders/01KARYB6S5Q0H9M3T7ZV5W8XCE-1-${sale.id}`)).toBeProblem('not_found');
  });

  it.each(['wait=26', 'wait=-1', 'wait=1.5', 'wait=soon', 'wait=1&wait=2', 'user_id=', 'user_id=a%20b', 'x=1'])(
    'refuses ?%s',
    async (query) => {
      const orderNo = await app.win(await context.openSale(), 'alice');
      expect(await app.get(`/api/v1/orders/${orderNo}?${query}`)).toBeProblem('invalid_request');
    },
  );
});

describe('GET /api/v1/orders/:orderNo?wait=', () => {
  it('answers each of many waiting polls when its order is settled, and no other', async () => {
    const sale = await context.openSale();
    const [first, second] = [await app.win(sale, 'first'), await app.win(sale, 'second')];
    const polls = [first, first, second].map((orderNo) => app.get(`/api/v1/orders/${orderNo}?wait=20`));
    await untilWaiting(app, sale, 3);
    await settleOrder(context, sale, first);
    for (const poll of polls.slice(0, 2)) {
      expect((await poll).json()).toMatchObject({ order_no: first, status: 'pending_payment' });
    }
    expect(await waiters(app)).toBe(1);
    await settleOrder(context, sale, second);
    expect((await polls[2]!).json()).toMatchObject({ order_no: second, status: 'pending_payment' });
    expect(await waiters(app)).toBe(0);
  });

  it('answers a settled order at once', async () => {
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'alice');
    await settleOrder(context, sale, orderNo);
    const askedMs = performance.now();
    expect((await app.get(`/api/v1/orders/${orderNo}?wait=25`)).json()).toMatchObject({ status: 'pending_payment' });
    expect(performance.now() - askedMs).toBeLessThan(5_000);
  });

  it('answers queued with the retry time at the end of the wait', async () => {
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'alice');
    const askedMs = performance.now();
    const answer = await app.get(`/api/v1/orders/${orderNo}?wait=1`);
    expect(performance.now() - askedMs).toBeGreaterThanOrEqual(990);
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ status: 'queued' });
    expect(answer.headers['retry-after']).toBe('1');
  });

  it('answers an order that is written but not settled, also after the shortest wait', async () => {
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'alice');
    // The writer has crashed between its COMMIT and settling.
    const { priceCents, quantity, admittedMs } = (await context.commands.readOrder(sale, orderNo)).reservation!;
    await context.redis.hset(context.keys.sale(sale).state, 'taken_until_ms', admittedMs);
    const times = { createdAtMs: admittedMs, expiresAtMs: admittedMs + 900_000 };
    const facts = { orderNo, productId: sale.id, userId: 'alice', priceCents, quantity, version: 1 };
    await context.db.transaction().execute(async (tx) => {
      await insertOrders(tx, [{ ...facts, ...times, status: 'pending_payment' }]);
      await addSold(tx, sale.id, quantity);
    });
    for (const query of ['', '?wait=1']) {
      expect((await app.get(`/api/v1/orders/${orderNo}${query}`)).json()).toMatchObject({ status: 'pending_payment' });
    }
  });

  it('survives a lost message: the poll sees an order that settles without one', async () => {
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'alice');
    const poll = app.get(`/api/v1/orders/${orderNo}?wait=20`);
    await untilWaiting(app, sale, 1);
    const { batches, batchTimes } = context.keys.sale(sale);
    const { batchNo, priceCents, admittedMs } = (await context.commands.readOrder(sale, orderNo)).reservation!;
    const { historyId } = await context.commands.clock(0);
    const record = `${historyId.slice(0, 8)} ${admittedMs} ${priceCents}\n${orderNo} alice expires 60000`;
    const settledMs = performance.now();
    await context.redis
      .multi()
      .set(context.keys.settledBatch(sale, batchNo), record)
      .hdel(batches, batchNo)
      .zrem(batchTimes, batchNo)
      .exec();
    expect((await poll).json()).toMatchObject({ status: 'pending_payment' });
    expect(performance.now() - settledMs).toBeLessThan(5_000);
  });

  it('frees the place of a client that is gone', async () => {
    const listening = await openApp(context);
    try {
      await listening.server.listen({ host: '127.0.0.1', port: 0 });
      const { port } = listening.server.server.address() as AddressInfo;
      const sale = await context.openSale();
      const orderNo = await listening.win(sale, 'alice');
      const call = request({ host: '127.0.0.1', port, path: `/api/v1/orders/${orderNo}?wait=25` }).end();
      call.on('error', () => undefined);
      await untilWaiting(listening, sale, 1);
      const closed = Promise.withResolvers<void>();
      call.once('close', closed.resolve).destroy();
      await closed.promise;
      await expect.poll(() => waiters(listening), { timeout: 5_000 }).toBe(0);
      const { settled } = context.keys.sale(sale);
      await expect
        .poll(() => context.redis.call('PUBSUB', 'NUMSUB', settled), { timeout: 5_000 })
        .toEqual([settled, 0]);
    } finally {
      await listening.close();
    }
  });

  it('answers at once if too many others wait', async () => {
    const full = await openApp(context, {}, { bounds: { pollWaitersMax: 1 } });
    try {
      const sale = await context.openSale();
      const orderNo = await full.win(sale, 'alice');
      const first = full.get(`/api/v1/orders/${orderNo}?wait=20`);
      await untilWaiting(full, sale, 1);
      expect((await full.get(`/api/v1/orders/${orderNo}?wait=20`)).json()).toMatchObject({ status: 'queued' });
      expect(await waiters(full)).toBe(1);
      await settleOrder(context, sale, orderNo);
      expect((await first).json()).toMatchObject({ status: 'pending_payment' });
    } finally {
      await full.close();
    }
  });

  it('answers every waiting poll when the process drains, and ends without the rest of the wait', async () => {
    const draining = await openApp(context);
    await draining.server.listen({ host: '127.0.0.1', port: 0 });
    const { port } = draining.server.server.address() as AddressInfo;
    const sale = await context.openSale();
    const orderNo = await draining.win(sale, 'alice');
    const poll = fetch(`http://127.0.0.1:${port}/api/v1/orders/${orderNo}?wait=25`).then((answer) => answer.json());
    await untilWaiting(draining, sale, 1);
    const closedMs = performance.now();
    await draining.close();
    expect(await poll).toMatchObject({ status: 'queued' });
    expect(performance.now() - closedMs).toBeLessThan(5_000);
  });
});
