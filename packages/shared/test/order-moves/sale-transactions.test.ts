import { sql } from 'kysely';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectDb, type Tx } from '../../src/platform/mysql/client.ts';
import { lockSaleRow } from '../../src/sale/lock-sale-row.ts';
import type { Order } from '../../src/order/order.ts';
import type { Sale } from '../../src/sale/sale.ts';
import { applyPaymentEvent } from '../../src/order-moves/apply-payment-event.ts';
import { cancelOrder } from '../../src/order-moves/cancel-and-expire.ts';
import { SaleTransactions, type Work } from '../../src/order-moves/sale-transactions.ts';
import { shoppers } from '../../testing/buying.ts';
import { openPayment, placeOrder, placeOrders } from '../../testing/ordering.ts';
import { aLockIsWaitedFor } from '../../testing/row-locks.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

/** Holds the sale's row until it is released, so that new work must wait. */
async function holdRow(sale: Sale): Promise<() => Promise<void>> {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const held = Promise.withResolvers<void>();
  const transaction = context.db.transaction().execute(async (tx) => {
    await lockSaleRow(tx, sale.id);
    held.resolve();
    await released;
  });
  await held.promise;
  return async () => {
    release();
    await transaction;
  };
}

/** Sale transactions on a pool of their own, closed with the test. */
function openTransactions(DB_POOL_MAX: number) {
  const db = connectDb({ ...context.config, DB_POOL_MAX }, 'general');
  onTestFinished(() => db.destroy());
  return {
    db,
    saleTransactions: new SaleTransactions({ db, commands: context.commands, log: context.log, orderEvents: false }),
  };
}

const statusesOf = async (sale: Sale): Promise<string[]> => {
  const rows = await context.db.selectFrom('orders').select('status').where('product_id', '=', sale.id).execute();
  return rows.map(({ status }) => status).toSorted();
};

describe('moves of one sale that come at once', () => {
  test('leave connections of the pool to others: payments of a hot sale once used every connection while they waited for its row', async () => {
    const sale = await context.openSale({ seckillStock: 60 });
    const orders = await placeOrders(context, sale, shoppers(60));
    const { db, saleTransactions } = openTransactions(2);
    const release = await holdRow(sale);
    const paid = orders.map(async ({ orderNo }, i) => {
      const paymentId = await openPayment(context, orderNo);
      const event = { eventId: `hot-${i}`, paymentId, kind: 'succeeded' } as const;
      return applyPaymentEvent({ db, saleTransactions }, 'sandbox', event);
    });
    await aLockIsWaitedFor(context.db);
    await sql`SELECT 1`.execute(db);
    await release();
    expect(new Set(await Promise.all(paid))).toEqual(new Set([true]));
    expect(new Set(await statusesOf(sale))).toEqual(new Set(['paid']));
  });

  test('share transactions', async () => {
    const sale = await context.insertSale();
    const { saleTransactions } = openTransactions(5);
    const transactions = new Set<Tx>();
    const release = await holdRow(sale);
    const double: Work<number, number> = ({ tx }, items) => {
      transactions.add(tx);
      return Promise.resolve(items.map((item) => 2 * item));
    };
    const works = [1, 2, 3, 4, 5].map((item) => saleTransactions.run(sale.id, double, item));
    await aLockIsWaitedFor(context.db);
    await release();
    expect(await Promise.all(works)).toEqual([2, 4, 6, 8, 10]);
    // The first alone, and all that came while it waited.
    expect(transactions.size).toBe(2);
  });

  test('are refused separately: the others are committed', async () => {
    const sale = await context.openSale({ seckillStock: 3 });
    const orders = await placeOrders(context, sale, shoppers(3));
    await cancelOrder(context, orders[1]!, { actor: 'operator' });
    const release = await holdRow(sale);
    const cancels = Promise.allSettled(orders.map((order) => cancelOrder(context, order, { actor: 'shopper' })));
    await aLockIsWaitedFor(context.db);
    await release();
    expect((await cancels).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await statusesOf(sale)).toEqual(['cancelled', 'cancelled', 'cancelled']);
  });

  test('do not fail with one whose data MySQL rejects', async () => {
    const sale = await context.openSale({ seckillStock: 3 });
    const orders = await placeOrders(context, sale, shoppers(3));
    const oversell: Work<undefined, undefined> = async ({ tx }) => {
      await sql`UPDATE products SET sold = seckill_stock + 1 WHERE id = ${sale.id}`.execute(tx);
      return [undefined];
    };
    const release = await holdRow(sale);
    const moves = Promise.allSettled([
      ...orders.map((order) => cancelOrder(context, order, { actor: 'shopper' })),
      context.saleTransactions.run(sale.id, oversell, undefined),
    ]);
    await aLockIsWaitedFor(context.db);
    await release();
    expect((await moves).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
    expect(await statusesOf(sale)).toEqual(['cancelled', 'cancelled', 'cancelled']);
  });

  test('fail with the connection that they used; the waiting ones run on the next one', async () => {
    const sale = await context.openSale({ seckillStock: 3 });
    const orders = await placeOrders(context, sale, shoppers(3));
    const { saleTransactions } = openTransactions(2);
    const release = await holdRow(sale);
    const cancel = (order: Order) => cancelOrder({ saleTransactions }, order, { actor: 'shopper' });
    const cancels = Promise.allSettled(orders.map(cancel));
    const [waiting] = await aLockIsWaitedFor(context.db);
    await sql`KILL ${sql.raw(String(waiting))}`.execute(context.db);
    await release();
    expect((await cancels).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(await statusesOf(sale)).toEqual(['cancelled', 'cancelled', 'pending_payment']);
    expect((await cancel(orders[0]!)).status).toBe('cancelled');
  });
});

describe('behind a server that does not answer', () => {
  /** A connection of a pool whose silence is noticed after 8 s. */
  const IMPATIENT_MS = 4_000;
  const timed = async (call: Promise<unknown>) => {
    const askedMs = performance.now();
    const outcome = await call.then(
      () => 'done',
      (error: { code?: string }) => error.code,
    );
    return { outcome, tookMs: performance.now() - askedMs };
  };

  test(
    'every waiting call gets its answer at once: 450 cancels once waited for up to 18 s',
    { timeout: 60_000 },
    async () => {
      const sale = await context.openSale({ seckillStock: 450 });
      const orders = await placeOrders(context, sale, shoppers(450));
      const { saleTransactions } = openTransactions(2);
      const release = await holdRow(sale);
      const cancels = orders.map((order) => timed(cancelOrder({ saleTransactions }, order, { actor: 'shopper' })));
      const [first, ...behind] = cancels;
      const told = await Promise.all(behind);
      expect(new Set(told.map(({ outcome }) => outcome))).toEqual(new Set(['unavailable']));
      expect(Math.max(...told.map(({ tookMs }) => tookMs))).toBeLessThan(IMPATIENT_MS);
      // Work that arrives while it still hangs does not wait at all.
      const late = await timed(cancelOrder({ saleTransactions }, orders[1]!, { actor: 'shopper' }));
      expect(late).toMatchObject({ outcome: 'unavailable', tookMs: expect.toSatisfy((ms: number) => ms < 500) });
      await release();
      expect((await first!).outcome).not.toBe('unavailable');
      // As soon as the row is free all is as ever.
      expect((await cancelOrder({ saleTransactions }, orders[2]!, { actor: 'shopper' })).status).toBe('cancelled');
      expect((await statusesOf(sale)).filter((status) => status === 'cancelled').length).toBeLessThanOrEqual(2);
    },
  );

  test(
    'those who wait fail with a transaction that got no answer, payments too: their turns would take as long',
    { timeout: 60_000 },
    async () => {
      const sale = await context.openSale({ seckillStock: 2 });
      const orders = await placeOrders(context, sale, shoppers(2));
      const [, paymentId] = [
        await openPayment(context, orders[0]!.orderNo),
        await openPayment(context, orders[1]!.orderNo),
      ];
      const { db, saleTransactions } = openTransactions(2);
      const release = await holdRow(sale);
      onTestFinished(release);
      const cancel = timed(cancelOrder({ saleTransactions }, orders[0]!, { actor: 'shopper' }));
      await aLockIsWaitedFor(context.db);
      const event = { eventId: 'behind-a-lock', paymentId, kind: 'succeeded' } as const;
      const paid = timed(applyPaymentEvent({ db, saleTransactions }, 'sandbox', event));
      // The server's own limit of a wait for a row.
      const [first, second] = await Promise.all([cancel, paid]);
      expect(second.outcome).toBe('unavailable');
      // Not a second limit after the first.
      expect(second.tookMs).toBeLessThan(first.tookMs + 500);
    },
  );

  test(
    'no more calls wait than can be served: the others are refused before anything is done',
    { timeout: 60_000 },
    async () => {
      const sale = await context.insertSale();
      const { saleTransactions } = openTransactions(2);
      const release = await holdRow(sale);
      const nothing: Work<number, number> = (_, items) => Promise.resolve(items);
      const works = Array.from({ length: 5_002 }, (_, i) => timed(saleTransactions.run(sale.id, nothing, i)));
      await aLockIsWaitedFor(context.db);
      await release();
      const told = await Promise.all(works);
      expect(told.filter(({ outcome }) => outcome === 'overloaded')).toHaveLength(1);
      expect(told.filter(({ outcome }) => outcome === 'done')).toHaveLength(5_001);
    },
  );
});

test('sales do not wait for each other', async () => {
  const [held, free] = [await context.openSale(), await context.openSale()];
  const [waiting, order] = [await placeOrder(context, held), await placeOrder(context, free)];
  const release = await holdRow(held);
  const cancelled = cancelOrder(context, waiting, { actor: 'shopper' });
  await cancelOrder(context, order, { actor: 'shopper' });
  await release();
  expect((await cancelled).status).toBe('cancelled');
});
