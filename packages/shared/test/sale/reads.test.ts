import { describe, expect, test } from 'vitest';
import { rebuildSale } from '../../src/reconciliation/rebuild.ts';
import { buy, newAttempt, send, takeLease } from '../../testing/buying.ts';
import { batchNoOf } from '../../src/order/order-number.ts';
import { ordersOf, settle } from '../../testing/settling.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

describe('the clock', () => {
  test('is Redis’s, with the name of its history', async () => {
    const before = (await context.redis.time()).map(Number);
    const { nowMs, historyId } = await context.commands.clock(0);
    const after = (await context.redis.time()).map(Number);
    const ms = ([seconds, us]: number[]): number => seconds! * 1_000 + Math.floor(us! / 1_000);
    expect(nowMs).toBeGreaterThanOrEqual(ms(before));
    expect(nowMs).toBeLessThanOrEqual(ms(after));
    expect(await context.redis.info('replication')).toContain(`master_replid:${historyId}`);
  });
});

describe('reading a sale', () => {
  test('returns what is available at one instant of Redis’s clock', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    await buy(context, sale, ['u1', 'u2']);
    const { nowMs: beforeMs } = await context.commands.clock(0);
    const live = await context.commands.readSale(sale);
    expect(live).toEqual({
      ready: true,
      version: 1,
      available: 3,
      held: 2,
      backlog: 2,
      pauseVersion: 0,
      paused: false,
      nowMs: live.nowMs,
    });
    expect(live.nowMs).toBeGreaterThanOrEqual(beforeMs);
  });

  test('returns a pause', async () => {
    const sale = await context.openSale();
    await context.commands.setPause(sale, 1, true);
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: true, paused: true });
  });

  test('is not ready if it was stopped, was loaded in another history, or is unknown', async () => {
    const sale = await context.openSale();
    const { state } = context.keys.sale(sale);
    await context.redis.hset(state, { history_id: 'e'.repeat(40) });
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: false });
    await context.redis.hset(state, { history_id: (await context.commands.clock(0)).historyId, ready: '0' });
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: false, version: 1 });
    const unknown = await context.commands.readSale({ id: 999_999, shard: 0 });
    expect(unknown).toMatchObject({ ready: false, version: 0, available: 0, paused: false });
  });
});

describe('reading an order', () => {
  test('finds it in its batch, then in the settled record, and always in one of them', async () => {
    const sale = await context.openSale({ priceCents: 1_999 });
    const attempt = await newAttempt(context, sale, ['u1']);
    const { orderNo } = attempt.items[0]!;
    expect(await context.commands.readOrder(sale, orderNo)).toMatchObject({
      saleReady: true,
      reservation: undefined,
      settled: undefined,
    });
    await send(context, attempt);
    const queued = await context.commands.readOrder(sale, orderNo);
    expect(queued).toMatchObject({
      saleReady: true,
      settled: undefined,
      reservation: {
        orderNo,
        userId: 'u1',
        priceCents: 1_999,
        batchNo: attempt.call.batchNo,
        requestId: 'request-1',
        admittedMs: queued.reservation!.admittedMs,
      },
    });
    const lease = await takeLease(context, sale);
    const [order] = await ordersOf(context, sale, [orderNo]);
    await settle(context, sale, lease, [order!]);
    expect(await context.commands.readOrder(sale, orderNo)).toMatchObject({
      saleReady: true,
      reservation: undefined,
      settled: order,
    });
  });

  test('accepts a settled record only in the history of Redis that wrote it: a restart may have lost a later mark', async () => {
    const sale = await context.openSale();
    const [order] = await buy(context, sale, ['u1']);
    const { orderNo } = order!;
    const lease = await takeLease(context, sale);
    await settle(context, sale, lease, await ordersOf(context, sale, [orderNo]));
    const record = context.keys.settledBatch(sale, batchNoOf(orderNo));
    await context.redis.set(record, (await context.redis.get(record))!.replace(/^[0-9a-f]{8} /, 'eeeeeeee '));
    expect(await context.commands.readOrder(sale, orderNo)).toEqual({
      saleReady: true,
      reservation: undefined,
      mayBeWritten: true,
      settled: undefined,
    });
  });

  test('returns whether a writer has taken its reservation, since the ledger may have it from then on', async () => {
    const sale = await context.openSale();
    const { state, batches, batchTimes } = context.keys.sale(sale);
    const [first] = await buy(context, sale, ['u1']);
    const [second] = await buy(context, sale, ['u2']);
    for (const [{ orderNo, userId }, admittedMs] of [
      [first!, 1_000],
      [second!, 2_000],
    ] as const) {
      const batchNo = batchNoOf(orderNo);
      await context.redis.hset(batches, batchNo, `${admittedMs} 1999 1\n${orderNo} ${userId} request`);
      await context.redis.zadd(batchTimes, admittedMs, batchNo);
    }
    const taken = async () => {
      const read = [first!, second!].map(({ orderNo }) => context.commands.readOrder(sale, orderNo));
      return (await Promise.all(read)).map(({ mayBeWritten }) => mayBeWritten);
    };
    // Any of what is left by a rebuild may be written.
    expect(await taken()).toEqual([true, true]);
    await context.redis.hdel(state, 'taken_until_ms');
    expect(await taken()).toEqual([false, false]);
    const lease = await takeLease(context, sale);
    await context.commands.nextBatches(sale, lease, 1);
    expect(await taken()).toEqual([true, false]);
    await context.commands.nextBatches(sale, lease, 2);
    await context.commands.nextBatches(sale, lease, 1);
    expect(await taken()).toEqual([true, true]);
    await context.redis.hset(state, { history_id: 'e'.repeat(40), taken_until_ms: 0 });
    expect(await taken()).toEqual([true, true]);
  });

  test('after a rebuild with a clock that was set back, earlier admissions may be written too', async () => {
    const sale = await context.openSale();
    const { state, batches, batchTimes } = context.keys.sale(sale);
    const [order] = await buy(context, sale, ['u1']);
    const { orderNo } = order!;
    const { nowMs } = await context.commands.clock(0);
    const aheadMs = nowMs + 30_000;
    await context.redis.hset(batches, batchNoOf(orderNo), `${aheadMs} 1999 1\n${orderNo} u1 request`);
    await context.redis.zadd(batchTimes, aheadMs, batchNoOf(orderNo));

    await rebuildSale(context, sale, 5_000);

    expect(await context.commands.readOrder(sale, orderNo)).toMatchObject({ saleReady: true, mayBeWritten: true });
    expect(await context.redis.hget(state, 'taken_until_ms')).toBe(String(aheadMs));
  });

  test('returns that the sale is not ready, so that a poll answers 503 and never 404', async () => {
    const sale = await context.openSale();
    const [owner] = await buy(context, sale, ['u1']);
    await context.redis.hset(context.keys.sale(sale).state, { history_id: 'e'.repeat(40) });
    expect(await context.commands.readOrder(sale, owner!.orderNo)).toMatchObject({
      saleReady: false,
      reservation: { userId: 'u1' },
    });
    const unknown = await context.commands.readOrder({ id: 999_999, shard: 0 }, owner!.orderNo);
    expect(unknown).toMatchObject({ saleReady: false, reservation: undefined, settled: undefined });
  });
});

describe('a pause', () => {
  test('counts by its version, in any order of calls', async () => {
    const sale = await context.openSale();
    const paused = async () => (await context.commands.readSale(sale)).paused;
    expect(await context.commands.setPause(sale, 2, true)).toBe(true);
    expect(await context.commands.setPause(sale, 1, false)).toBe(false);
    expect(await paused()).toBe(true);
    // Ten is more than two, although not as text.
    expect(await context.commands.setPause(sale, 10, false)).toBe(true);
    expect(await context.commands.setPause(sale, 9, true)).toBe(false);
    expect(await context.commands.setPause(sale, 10, true)).toBe(false);
    expect(await paused()).toBe(false);
  });

  test('is separate for each sale, and is left to the rebuild if Redis does not keep the sale', async () => {
    const [sale, other] = [await context.openSale(), await context.openSale()];
    expect(await context.commands.setPause(sale, 1, true)).toBe(true);
    const unknown = await context.insertSale();
    expect(await context.commands.setPause(unknown, 1, true)).toBe(false);
    expect(await context.redis.exists(context.keys.sale(unknown).pause)).toBe(0);
    expect(await context.commands.readSale(sale)).toMatchObject({ paused: true });
    expect(await context.commands.readSale(other)).toMatchObject({ paused: false });
  });
});
