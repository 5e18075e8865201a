import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { markReturnsApplied } from '@flash-sale/shared/order/stock-returns-table.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { acquireLease, withStampedLease } from '@flash-sale/shared/sale/lease.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { SaleWriter } from '../../src/order-writer/sale-writer.ts';
import { returns } from '../../src/services/returns.ts';
import { readLedger, refuseOrdersOf } from '../ledger.ts';
import { admitAll, shoppers, settleOrders } from '../shoppers.ts';

const GOING_ON = new AbortController().signal;

// A context for each test: a round works on every sale in it.
let context: TestContext;
beforeEach(async () => {
  context = await openTestContext();
  onTestFinished(() => context.close());
});

function openReturns() {
  const metrics = createMetrics('worker');
  const { commands, db, log } = context;
  return {
    round: () => returns({ shard: 0, commands, db, log, metrics }).round(GOING_ON),
    givenBack: async (): Promise<number> => (await metrics.unitsGivenBack.get()).values[0]!.value,
  };
}

/** An accepted order that MySQL refused: `failed` in the ledger, its unit still held in Redis. */
async function failedOrder(sale: Sale, userId: string): Promise<string> {
  const { commands, db, log } = context;
  await refuseOrdersOf(db, userId);
  const [orderNo] = await admitAll(context, sale, [userId]);
  const writer = new SaleWriter(
    {
      db,
      commands,
      log,
      metrics: createMetrics('worker'),
      orderBatchMax: 500,
      paymentTimeoutMs: 900_000,
      orderEvents: false,
    },
    sale,
  );
  await settleOrders(writer, [orderNo!]);
  return orderNo!;
}

const availableOf = async (sale: Sale): Promise<number> => (await context.commands.readSale(sale)).available;
const ownerOf = (sale: Sale, userId: string) => context.redis.hget(context.keys.sale(sale).owners, userId);

test('the unit of a failed order is available again, its row marked, and its shopper can buy again', async () => {
  const sale = await context.openSale({ seckillStock: 5 });
  const orderNo = await failedOrder(sale, 'unlucky');
  expect(await availableOf(sale)).toBe(4);
  const { round, givenBack } = openReturns();

  await round();

  expect(await availableOf(sale)).toBe(5);
  expect(await ownerOf(sale, 'unlucky')).toBeNull();
  expect((await readLedger(context.db, sale)).returns).toEqual([{ order_no: orderNo, applied: true }]);
  expect(await givenBack()).toBe(1);
  expect(await admitAll(context, sale, ['unlucky'])).not.toEqual([orderNo]);
});

describe('no double unit', () => {
  test('if the process crashed between giving back and marking the row', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    const orderNo = await failedOrder(sale, 'unlucky');
    await withStampedLease(context, sale, 5_000, (lease) =>
      context.commands.giveBack(sale, lease.text, [{ orderNo, userId: 'unlucky' }]),
    );
    expect(await availableOf(sale)).toBe(5);
    const { round, givenBack } = openReturns();

    await round();

    expect(await availableOf(sale)).toBe(5);
    expect((await readLedger(context.db, sale)).returns).toEqual([{ order_no: orderNo, applied: true }]);
    expect(await givenBack()).toBe(0);
  });

  test('if the shopper has bought again since: the new order keeps its unit', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    const orderNo = await failedOrder(sale, 'again');
    await openReturns().round();
    // Given back, but not marked, and the shopper was quick.
    await context.db.updateTable('stock_returns').set({ applied_at: null }).where('order_no', '=', orderNo).execute();
    const [newer] = await admitAll(context, sale, ['again']);

    await openReturns().round();

    expect(await availableOf(sale)).toBe(4);
    expect(await ownerOf(sale, 'again')).toBe(newer);
    expect((await readLedger(context.db, sale)).returns).toEqual([{ order_no: orderNo, applied: true }]);
  });

  test('if two processes give back at once', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    await failedOrder(sale, 'unlucky');

    await Promise.all([openReturns().round(), openReturns().round()]);

    expect(await availableOf(sale)).toBe(5);
  });
});

test('every return of every sale is applied, more than one batch of them included', async () => {
  const sales = [await context.openSale({ seckillStock: 1_000 }), await context.openSale()];
  const planted = sales.flatMap((sale, i) =>
    shoppers(i === 0 ? 600 : 3).map((userId) => ({
      order_no: `planted-${sale.id}-${userId}`,
      product_id: sale.id,
      user_id: userId,
      created_at: new Date(),
    })),
  );
  await context.db.insertInto('stock_returns').values(planted).execute();

  await openReturns().round();

  for (const sale of sales) {
    const { returns: rows } = await readLedger(context.db, sale);
    expect(rows.every(({ applied }) => applied)).toBe(true);
    // There were no owner entries for them.
    expect(await availableOf(sale)).toBe(sale.seckillStock);
  }
});

test('a return of a sale that Redis does not keep any more is marked, and creates no key of the sale', async () => {
  const sale = await context.openSale({ seckillStock: 5 });
  const orderNo = await failedOrder(sale, 'unlucky');
  await context.db.updateTable('products').set({ cleaned_at: new Date() }).where('id', '=', sale.id).execute();
  await context.redis.del(...Object.values(context.keys.sale(sale)));
  const { round, givenBack } = openReturns();

  await round();

  expect((await readLedger(context.db, sale)).returns).toEqual([{ order_no: orderNo, applied: true }]);
  expect(await givenBack()).toBe(0);
  expect(await context.redis.exists(...Object.values(context.keys.sale(sale)))).toBe(0);
});

test('a sale whose lease another process holds keeps its returns for a later round', async () => {
  const sale = await context.openSale({ seckillStock: 5 });
  const orderNo = await failedOrder(sale, 'unlucky');
  const lease = (await acquireLease(context.commands, sale, 5_000))!;
  onTestFinished(() => lease.release());
  const { round } = openReturns();

  await round();
  expect(await availableOf(sale)).toBe(4);
  expect((await readLedger(context.db, sale)).returns).toEqual([{ order_no: orderNo, applied: false }]);

  await lease.release();
  await round();
  expect(await availableOf(sale)).toBe(5);
});

test('rows are marked without waiting for orders of the same sale that close meanwhile', async () => {
  // Two workers deadlocked here in a close of 100,000 orders: the rows were looked for by what is
  // not applied.
  const sale = await context.openSale({ seckillStock: 1_000 });
  const rows = Array.from({ length: 500 }, (_, i) => ({
    order_no: `planted-${String(i).padStart(3, '0')}`,
    product_id: sale.id,
    user_id: `u${i}`,
    created_at: new Date(),
  }));
  await context.db.insertInto('stock_returns').values(rows).execute();
  const closing = await context.db.startTransaction().execute();
  onTestFinished(async () => {
    await closing.rollback().execute();
  });
  const between = { order_no: 'planted-250-closing', product_id: sale.id, user_id: 'closing', created_at: new Date() };
  await closing.insertInto('stock_returns').values(between).execute();

  await openReturns().round();

  const { returns: marked } = await readLedger(context.db, sale);
  expect(marked.filter(({ applied }) => applied)).toHaveLength(500);
});

test('a marked row keeps its first time', async () => {
  const sale = await context.openSale();
  const orderNo = await failedOrder(sale, 'unlucky');
  await openReturns().round();
  const appliedAt = () =>
    context.db.selectFrom('stock_returns').select('applied_at').where('order_no', '=', orderNo).executeTakeFirst();
  const before = await appliedAt();

  await markReturnsApplied(context.db, [orderNo]);

  expect(await appliedAt()).toEqual(before);
});
