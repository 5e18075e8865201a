import { describe, expect, onTestFinished, test } from 'vitest';
import { moveOrders } from '../../src/order-moves/order-transitions.ts';
import { lockSaleRow } from '../../src/sale/lock-sale-row.ts';
import { readCounters } from '../../src/sale/sale-counters-table.ts';
import { canMove, ORDER_STATUSES, type Order } from '../../src/order/order.ts';
import { newPaymentId } from '../../src/payment/payment.ts';
import { connectRedis } from '../../src/platform/redis/client.ts';
import { createCommands } from '../../src/commands.ts';
import { cancelOrder, expireOrders } from '../../src/order-moves/cancel-and-expire.ts';
import { requestRefund } from '../../src/order-moves/request-refund.ts';
import { SaleTransactions } from '../../src/order-moves/sale-transactions.ts';
import { shoppers, takeLease } from '../../testing/buying.ts';
import { ledgerOf, openPayment, placeOrder, placeOrders } from '../../testing/ordering.ts';
import { testContext } from '../../testing/support.ts';
import { batchNoOf } from '../../src/order/order-number.ts';
import { settledLineOf } from '../../src/order/settled-record.ts';
import { orderIn, statusInRedis, tell } from './moving.ts';

const context = await testContext();

describe('an order', () => {
  const CALLS: Readonly<Record<'cancelled' | 'expired' | 'paid' | 'refunded', (order: Order) => Promise<unknown>>> = {
    // By another actor than the one that cancelled it, which may repeat its call.
    cancelled: (order) => cancelOrder(context, order, { actor: 'operator' }),
    expired: async (order) => {
      if ((await expireOrders(context, order.productId, [order.orderNo])) === 0) throw new Error('not expired');
    },
    paid: async (order) => {
      const paymentId = newPaymentId(Date.now());
      const row = { payment_id: paymentId, order_no: order.orderNo, product_id: order.productId, provider: 'sandbox' };
      const now = new Date();
      const facts = { status: 'started', amount_cents: order.priceCents, currency: 'CNY' } as const;
      await context.db
        .insertInto('payments')
        .values({ ...row, ...facts, provider_ref: null, url: null, created_at: now, updated_at: now, ask_at: null })
        .execute();
      const { version } = await ledgerOf(context, order);
      await tell(context, paymentId, 'succeeded');
      if ((await ledgerOf(context, order)).version === version) throw new Error('not paid');
    },
    refunded: async (order) => {
      await requestRefund(context, order, 'operator');
      const { payment_id: paymentId } = await context.db
        .selectFrom('payments')
        .select('payment_id')
        .where('order_no', '=', order.orderNo)
        .executeTakeFirstOrThrow();
      await tell(context, paymentId, 'refunded');
    },
  };
  const MOVES = (['pending_payment', 'paid', 'refunded', 'cancelled', 'expired', 'failed'] as const).flatMap((from) =>
    (['cancelled', 'expired', 'paid', 'refunded'] as const).map((to) => ({ from, to })),
  );

  test.each(MOVES.filter(({ from, to }) => canMove(from, to)))('moves from $from to $to', async ({ from, to }) => {
    const order = await orderIn(context, from);
    const before = await ledgerOf(context, order);
    await CALLS[to](order);
    const after = await ledgerOf(context, order);
    const closes = to !== 'paid';
    expect(after).toMatchObject({
      status: to,
      version: before.version + 1,
      returned: closes,
      sold: closes ? 0 : 1,
      closed: closes,
      paid: to === 'paid' || to === 'refunded',
    });
    expect(after.history).toHaveLength(before.history.length + 1);
    expect(after.history.at(-1)).toMatchObject({ fromStatus: from, toStatus: to });
  });

  test.each(MOVES.filter(({ from, to }) => !canMove(from, to)))('stays $from if $to is not allowed', async (move) => {
    const order = await orderIn(context, move.from);
    const before = await ledgerOf(context, order);
    await expect(CALLS[move.to](order)).rejects.toThrow(/^The order is|^The payment is|^not (paid|expired)|no result/);
    const after = await ledgerOf(context, order);
    expect({ ...after, payments: [] }).toEqual({ ...before, payments: [] });
  });

  test('is refused because of its state, and the refusal names that state', async () => {
    for (const status of ['paid', 'refunded', 'cancelled', 'expired', 'failed'] as const) {
      const order = await orderIn(context, status);
      const refusal = { code: 'invalid_state', detail: `The order is ${status}` };
      await expect(cancelOrder(context, order, { actor: 'operator' })).rejects.toMatchObject(refusal);
    }
    for (const status of ['pending_payment', 'refunded', 'cancelled', 'expired', 'failed'] as const) {
      const refusal = { code: 'invalid_state', detail: `The order is ${status}` };
      await expect(requestRefund(context, await orderIn(context, status), 'operator')).rejects.toMatchObject(refusal);
    }
  });

  test('that the ledger does not have yet is `queued`, and neither cancelled nor refunded', async () => {
    const sale = await context.openSale();
    const order = { ...(await placeOrder(context, sale)), orderNo: `01KARYB6S5Q0H9M3T7ZV5W8XCE-0-${sale.id}` };
    const refusal = { code: 'invalid_state', detail: 'The order is queued' };
    await expect(cancelOrder(context, order, { actor: 'shopper' })).rejects.toMatchObject(refusal);
    await expect(requestRefund(context, order, 'operator')).rejects.toMatchObject(refusal);
  });

  test('makes only the moves of its map, for any actor', async () => {
    const order = await placeOrder(context, await context.openSale());
    const illegal = ORDER_STATUSES.flatMap((from) =>
      (['paid', 'cancelled', 'expired', 'refunded'] as const)
        .filter((to) => !canMove(from, to))
        .map((to) => ({ from, to })),
    );
    const movers = new Map([[order.orderNo, { actor: 'test' }]]);
    for (const { from, to } of illegal) {
      const move = context.db
        .transaction()
        .execute((tx) => moveOrders(tx, order.productId, movers, from, to, new Date()));
      await expect(move).rejects.toThrow(`cannot move from ${from} to ${to}`);
    }
    expect(illegal).toHaveLength(4 * ORDER_STATUSES.length - 4);
  });

  test('keeps who moved it, when and why', async () => {
    const order = await placeOrder(context, await context.openSale());
    const payment = await openPayment(context, order.orderNo);
    await tell(context, payment, 'succeeded');
    await requestRefund(context, order, 'operator');
    await tell(context, payment, 'refunded');
    expect((await ledgerOf(context, order)).history).toEqual([
      { fromStatus: 'pending_payment', toStatus: 'paid', actor: 'payment:sandbox', reason: payment },
      { fromStatus: 'paid', toStatus: 'refunded', actor: 'operator', reason: payment },
    ]);
  });

  test('of another sale does not move, even if its number is among those to move', async () => {
    const [one, other] = [await context.openSale(), await context.openSale()];
    const order = await placeOrder(context, other);
    expect(await expireOrders(context, one.id, [order.orderNo])).toBe(0);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'pending_payment', sold: 1 });
  });
});

describe('at the same moment', () => {
  test('cancel, expiry and payment: one of them wins, and money that lost is refunded', async () => {
    const sale = await context.openSale({ seckillStock: 30 });
    const orders = await placeOrders(context, sale, shoppers(20));
    const payments = await Promise.all(orders.map(({ orderNo }) => openPayment(context, orderNo)));
    await Promise.all([
      ...orders.map((order) => cancelOrder(context, order, { actor: 'shopper' }).catch(() => undefined)),
      ...payments.map((payment) => tell(context, payment, 'succeeded')),
      expireOrders(
        context,
        sale.id,
        orders.map(({ orderNo }) => orderNo),
      ),
    ]);
    let live = 0;
    for (const order of orders) {
      const { status, history, payments: paid, version } = await ledgerOf(context, order);
      expect({ history: history.length, version }).toEqual({ history: 1, version: 2 });
      expect(paid).toEqual([status === 'paid' ? 'succeeded' : 'refund_pending']);
      if (status === 'paid') live += 1;
    }
    expect((await ledgerOf(context, orders[0]!)).sold).toBe(live);
  });

  test('moves of two sales at once do not wait for each other’s rows', async () => {
    const [one, other] = [await context.openSale(), await context.openSale()];
    const held = await placeOrders(context, one, shoppers(5));
    const free = await placeOrders(context, other, shoppers(5));
    const numbers = (orders: readonly Order[]) => orders.map(({ orderNo }) => orderNo);
    const tx = await context.db.startTransaction().execute();
    onTestFinished(async () => {
      await tx.rollback().execute();
    });
    const now = await lockSaleRow(tx, one.id);
    const movers = new Map(numbers(held).map((orderNo) => [orderNo, { actor: 'test' }]));
    await moveOrders(tx, one.id, movers, 'pending_payment', 'expired', now!);
    expect(await expireOrders(context, other.id, numbers(free))).toBe(5);
  });
});

describe('pollers', () => {
  test('are sent to the ledger before a move is committed, and never see the older status after it', async () => {
    const sale = await context.openSale();
    const order = await placeOrder(context, sale);
    expect(await statusInRedis(context, order)).toBe('pending_payment');
    await cancelOrder(context, order, { actor: 'shopper' });
    expect(await statusInRedis(context, order)).toBeUndefined();
    // A writer that read the row before the move settles it late.
    const batchNo = batchNoOf(order.orderNo);
    const facts = `${order.createdAtMs} ${order.priceCents}`;
    await context.commands.settle(sale, await takeLease(context, sale), 600_000, [
      { batchNo, facts, settled: [settledLineOf(order, order.createdAtMs)], stuck: [] },
    ]);
    expect(await statusInRedis(context, order)).toBeUndefined();
  });

  test('see a move even if the writer crashed before it settled the reservation', async () => {
    const sale = await context.openSale();
    const order = await placeOrder(context, sale);
    // The batch as it was before settling.
    const { orderNo, userId, priceCents } = order;
    const record = `${Date.now()} ${priceCents} 1\n${orderNo} ${userId} r`;
    await context.redis.hset(context.keys.sale(sale).batches, batchNoOf(orderNo), record);
    expect((await context.commands.readOrder(sale, order.orderNo)).reservation).toBeDefined();
    await cancelOrder(context, order, { actor: 'shopper' });
    const seen = await context.commands.readOrder(sale, order.orderNo);
    expect(seen).toMatchObject({ saleReady: true, reservation: undefined, settled: undefined });
  });

  test('if Redis does not answer, the move is not committed', async () => {
    const sale = await context.openSale();
    const order = await placeOrder(context, sale);
    const gone = connectRedis(context.config, 'request');
    gone.disconnect();
    const saleTransactions = new SaleTransactions({
      ...context,
      commands: createCommands(gone, context.keys),
      orderEvents: false,
    });
    await expect(cancelOrder({ saleTransactions }, order, { actor: 'shopper' })).rejects.toThrow(
      /Stream isn't writeable|Connection is closed/,
    );
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'pending_payment', sold: 1, returned: false });
    expect(await statusInRedis(context, order)).toBe('pending_payment');
  });
});

test('counters equal the rows, also after failed attempts', async () => {
  const sale = await context.openSale({ seckillStock: 20 });
  const orders = await placeOrders(context, sale, shoppers(10));
  const payments = await Promise.all(orders.slice(0, 5).map(({ orderNo }) => openPayment(context, orderNo)));
  for (const payment of payments) await tell(context, payment, 'succeeded');
  await requestRefund(context, orders[0]!, 'operator');
  await tell(context, payments[0]!, 'refunded');
  await tell(context, payments[0]!, 'refunded');
  await cancelOrder(context, orders[5]!, { actor: 'shopper' });
  await cancelOrder(context, orders[5]!, { actor: 'shopper' }).catch(() => undefined);
  expect(
    await expireOrders(
      context,
      sale.id,
      orders.map(({ orderNo }) => orderNo),
    ),
  ).toBe(4);
  const counters = await readCounters(context.db, sale.id);
  const totals = Object.fromEntries(
    counters.filter(({ bucket }) => bucket === 0).map(({ name, value }) => [name, value]),
  );
  expect(totals).toEqual({
    pending_payment: 10,
    paid: 5,
    refunded: 1,
    cancelled: 1,
    expired: 4,
    revenue_cents: 5 * sale.priceCents,
    refunded_cents: sale.priceCents,
  });
});
