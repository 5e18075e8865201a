import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { connectDb } from '@flash-sale/shared/platform/mysql/client.ts';
import { insertOrders } from '@flash-sale/shared/order/orders-table.ts';
import { newBatchNo, newOrderNumber } from '@flash-sale/shared/order/order-number.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { rebuildSale } from '@flash-sale/shared/reconciliation/rebuild.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { ledgerOf, openPayment, placeOrder, placeOrders } from '@flash-sale/shared/testing/ordering.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { auditSale } from '@flash-sale/shared/reconciliation/audit.ts';
import { OrderWriter } from '../../src/order-writer/order-writer.ts';
import { NotNow } from '../../src/order-writer/sale-writer.ts';
import { expiry } from '../../src/services/expiry.ts';
import { SaleTransactions } from '@flash-sale/shared/order-moves/sale-transactions.ts';
import { returns } from '../../src/services/returns.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { lockSaleRow } from '../ledger.ts';
import { admitAll, settleOrdersOf } from '../shoppers.ts';

const GOING_ON = new AbortController().signal;

// A context for each test: the service works on every sale in it.
let context: TestContext;
beforeEach(async () => {
  context = await openTestContext();
  onTestFinished(() => context.close());
});

function openExpiry(db = context.db) {
  const metrics = createMetrics('worker');
  const { commands, log } = context;
  const saleTransactions = new SaleTransactions({ db, commands, log, orderEvents: false });
  const { round } = expiry({ db, saleTransactions, log, metrics });
  return {
    sweep: () => round(GOING_ON),
    expired: async (): Promise<number> => (await metrics.ordersExpired.get()).values[0]!.value,
  };
}
const giveBack = () => {
  const { commands, db, log } = context;
  return returns({ shard: 0, commands, db, log, metrics: createMetrics('worker') }).round(GOING_ON);
};
/** How many units are not given back yet. */
const waitingReturns = async (): Promise<number> => {
  const { waiting } = await context.db
    .selectFrom('stock_returns')
    .select((count) => count.fn.countAll<number>().as('waiting'))
    .where('applied_at', 'is', null)
    .executeTakeFirstOrThrow();
  return waiting;
};
const past = (ms = 1): { expiresAtMs: number } => ({ expiresAtMs: Date.now() - ms });
const statuses = async (sale: Sale): Promise<Record<string, number>> => {
  const rows = await context.db
    .selectFrom('orders')
    .select(['status', (count) => count.fn.countAll<number>().as('orders')])
    .where('product_id', '=', sale.id)
    .groupBy('status')
    .execute();
  return Object.fromEntries(rows.map(({ status, orders }) => [status, orders]));
};

/** Rows of orders that wait for payment, as many as a large sale leaves. Only MySQL has them. */
async function plantOrders(sale: Sale, count: number): Promise<void> {
  const nowMs = Date.now();
  for (let from = 0; from < count; from += 1_000) {
    const orders = Array.from({ length: Math.min(1_000, count - from) }, (_, i): Order => {
      const facts = { productId: sale.id, status: 'pending_payment', priceCents: 1, quantity: 1, version: 1 } as const;
      const times = { createdAtMs: nowMs, expiresAtMs: nowMs - 1 };
      return { orderNo: newOrderNumber(sale, newBatchNo(nowMs)), userId: `u${from + i}`, ...facts, ...times };
    });
    await context.db.transaction().execute((tx) => insertOrders(tx, orders));
  }
  await context.db.updateTable('products').set({ sold: count }).where('id', '=', sale.id).execute();
}

describe('an order', () => {
  test('after its deadline expires; one that has time left or is paid does not', async () => {
    const sale = await context.openSale();
    const [late] = await placeOrders(context, sale, ['late'], past());
    const intime = await placeOrder(context, sale, 'intime');
    const [paid] = await placeOrders(context, sale, ['paid'], past());
    await context.db.updateTable('orders').set({ status: 'paid' }).where('order_no', '=', paid!.orderNo).execute();
    const { sweep, expired } = openExpiry();

    await sweep();

    expect(await ledgerOf(context, late!)).toMatchObject({
      status: 'expired',
      returned: true,
      sold: 2,
      history: [{ actor: 'expiry', reason: 'not paid in time' }],
    });
    expect(await ledgerOf(context, intime)).toMatchObject({ status: 'pending_payment' });
    expect(await ledgerOf(context, paid!)).toMatchObject({ status: 'paid', returned: false });
    expect(await expired()).toBe(1);
  });

  test('counts its time to pay from the commit, not from the buy', async () => {
    const sale = await context.openSale();
    const [orderNo] = await admitAll(context, sale, ['patient']);
    const { commands, db, log } = context;
    const metrics = createMetrics('worker');
    const writer = new OrderWriter({
      db,
      commands,
      log,
      metrics,
      orderBatchMax: 500,
      paymentTimeoutMs: 60_000,
      orderEvents: false,
    });
    const beforeMs = Date.now();
    await settleOrdersOf(writer, sale, [orderNo!]);
    const { expires_at: expiresAt } = await db
      .selectFrom('orders')
      .select('expires_at')
      .where('order_no', '=', orderNo!)
      .executeTakeFirstOrThrow();
    expect(expiresAt!.getTime()).toBeGreaterThanOrEqual(beforeMs + 60_000);
    expect(expiresAt!.getTime()).toBeLessThanOrEqual(Date.now() + 60_000);
  });

  test('causes the expiry of its open payment at the provider', async () => {
    const order = await placeOrder(context, await context.openSale());
    const paymentId = await openPayment(context, order.orderNo);
    const expiresAt = new Date(Date.now() - 1);
    await context.db
      .updateTable('orders')
      .set({ expires_at: expiresAt })
      .where('order_no', '=', order.orderNo)
      .execute();
    await openExpiry().sweep();
    const { ask_at: askAt } = await context.db
      .selectFrom('payments')
      .select('ask_at')
      .where('payment_id', '=', paymentId)
      .executeTakeFirstOrThrow();
    expect(askAt).not.toBeNull();
  });

  test('that is expired frees its unit, also for the same shopper', async () => {
    const sale = await context.openSale({ seckillStock: 1 });
    const [first] = await placeOrders(context, sale, ['alice'], past());
    await openExpiry().sweep();
    await giveBack();
    const [again] = await admitAll(context, sale, ['alice']);
    expect(again).not.toBe(first!.orderNo);
    expect(await auditSale(context, sale, { waitMs: 5_000, thorough: true })).toMatchObject({ verdict: 'clean' });
  });
});

test('two workers that sweep at once expire each order once', async () => {
  const sale = await context.openSale({ seckillStock: 2_000 });
  await plantOrders(sale, 1_500);
  const sweepers = [openExpiry(), openExpiry(), openExpiry()];
  await Promise.all(sweepers.map(({ sweep }) => sweep()));
  // The process that found the lock taken did nothing.
  await sweepers[0]!.sweep();

  expect(await statuses(sale)).toEqual({ expired: 1_500 });
  const counts = await Promise.all(sweepers.map(({ expired }) => expired()));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1_500);
  const { moves } = await context.db
    .selectFrom('order_history')
    .select((count) => count.fn.countAll<number>().as('moves'))
    .executeTakeFirstOrThrow();
  expect(moves).toBe(1_500);
});

test('two workers that sweep at once, as after a freeze, close each order once', async () => {
  const sale = await context.openSale({ seckillStock: 500 });
  await plantOrders(sale, 300);
  const sweeps = [openExpiry(), openExpiry(), openExpiry()];
  await Promise.all(sweeps.map(({ sweep }) => sweep()));
  const counts = await Promise.all(sweeps.map(({ expired }) => expired()));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(300);
  expect(await statuses(sale)).toEqual({ expired: 300 });
  await giveBack();
  expect(await auditSale(context, sale, { waitMs: 5_000, thorough: true })).toMatchObject({
    verdict: 'clean',
    available: 500,
    sold: 0,
  });
});

test('a worker that lost the lead during a round begins no other sale', async () => {
  for (let i = 0; i < 6; i += 1) await placeOrders(context, await context.openSale(), ['alice'], past());
  const begun: number[] = [];
  const leads = new AbortController();
  const { commands, db, log } = context;
  class Slow extends SaleTransactions {
    override async run(productId: number): Promise<never> {
      begun.push(productId);
      leads.abort();
      throw new Error('Redis hangs');
    }
  }
  const saleTransactions = new Slow({ db, commands, log, orderEvents: false });
  const metrics = createMetrics('worker');
  await expiry({ db, saleTransactions, log, metrics }).round(leads.signal);
  expect(begun.length).toBeLessThanOrEqual(4);
});

test('a sale whose row is locked does not delay other sales', async () => {
  const [stuck, free] = [await context.openSale(), await context.openSale()];
  const [first] = await placeOrders(context, stuck, ['alice'], past(10_000));
  const [second] = await placeOrders(context, free, ['alice'], past());
  const impatient = connectDb(context.config, 'lease');
  onTestFinished(() => impatient.destroy());
  const row = await lockSaleRow(context.config, stuck);
  await openExpiry(impatient).sweep();
  expect(await ledgerOf(context, second!)).toMatchObject({ status: 'expired' });
  expect(await ledgerOf(context, first!)).toMatchObject({ status: 'pending_payment' });
  await row.release();
  await openExpiry().sweep();
  expect(await ledgerOf(context, first!)).toMatchObject({ status: 'expired' });
});

test('orders that Redis has lost expire, since the service reads only MySQL', async () => {
  const sale = await context.openSale({ seckillStock: 100 });
  await plantOrders(sale, 20);
  const { settled: _channel, ...names } = context.keys.sale(sale);
  await context.redis.del(...Object.values(names));
  await openExpiry().sweep();
  expect(await statuses(sale)).toEqual({ expired: 20 });
  // As warm-up does: the units go back to a sale that is loaded.
  await rebuildSale(context, sale, 5_000);
  await giveBack();
  expect(await waitingReturns()).toBe(0);
});

test('a close of 10,000 orders at once does not stop buys from being accepted and written', async () => {
  const sale = await context.insertSale({ seckillStock: 11_000 });
  await plantOrders(sale, 10_000);
  // Their units are held.
  await rebuildSale(context, sale, 5_000);
  const { commands, log } = context;
  const metrics = createMetrics('worker');
  const ledger = connectDb(context.config, 'lease');
  onTestFinished(() => ledger.destroy());
  const writer = new OrderWriter({
    db: ledger,
    commands,
    log,
    metrics,
    orderBatchMax: 500,
    paymentTimeoutMs: 900_000,
    orderEvents: false,
  });
  const { sweep, expired } = openExpiry();
  const swept = new AbortController();
  const closing = (async () => {
    while ((await expired()) < 10_000) await sweep();
    swept.abort();
  })();
  const returning = (async () => {
    // A round ends after a time, since others need the lease, too.
    while (!swept.signal.aborted || (await waitingReturns()) > 0) await giveBack();
  })();
  const writing = (async () => {
    while (!swept.signal.aborted) await writeWaiting(writer, sale);
  })();
  let bought = 0;
  while (!swept.signal.aborted) {
    await admitAll(context, sale, [`buyer-${bought}`]);
    bought += 1;
  }
  await Promise.all([closing, returning, writing]);
  // Between the first and the last transaction of the close.
  expect(bought).toBeGreaterThan(10);
  await expect.poll(() => writeWaiting(writer, sale), { timeout: 10_000 }).toBe(0);
  expect(await statuses(sale)).toEqual({ expired: 10_000, pending_payment: bought });
  // The last round may have waited in vain for the lease.
  const available = async () => {
    await giveBack();
    return (await commands.readSale(sale)).available;
  };
  await expect.poll(available, SOON).toBe(11_000 - bought);
  expect(await auditSale(context, sale, { waitMs: 5_000, thorough: true })).toMatchObject({
    verdict: 'clean',
    available: 11_000 - bought,
    sold: bought,
  });
});

/**
 * Writes all accepted orders, unless another process holds the lease. Returns how many orders wait.
 */
async function writeWaiting(writer: OrderWriter, sale: Sale): Promise<number> {
  const waiting = (await context.commands.allReservations(sale)).map(({ orderNo }) => orderNo);
  if (waiting.length > 0) {
    await settleOrdersOf(writer, sale, waiting).catch((error: unknown) => {
      if (!(error instanceof NotNow)) throw error;
    });
  }
  return waiting.length;
}
