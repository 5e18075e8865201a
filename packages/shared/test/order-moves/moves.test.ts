import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { moveOrders } from '../../src/order-moves/order-transitions.ts';
import { lockSaleRow } from '../../src/sale/lock-sale-row.ts';
import { insertPayment, movePayments } from '../../src/payment/payments-table.ts';
import { readCounters } from '../../src/sale/sale-counters-table.ts';
import { canMove, ORDER_STATUSES, type Order, type OrderStatus } from '../../src/order/order.ts';
import {
  canMovePayment,
  newPaymentId,
  PAYMENT_STATUSES,
  type PaymentEvent,
  type PaymentStatus,
} from '../../src/payment/payment.ts';
import { connectRedis } from '../../src/platform/redis/client.ts';
import { createCommands } from '../../src/commands.ts';
import { applyPaymentEvent } from '../../src/order-moves/apply-payment-event.ts';
import { cancelOrder, expireOrders } from '../../src/order-moves/cancel-and-expire.ts';
import { requestRefund } from '../../src/order-moves/request-refund.ts';
import { SaleTransactions } from '../../src/order-moves/sale-transactions.ts';
import { shoppers, takeLease } from '../../testing/buying.ts';
import { aLockIsWaitedFor } from '../../testing/row-locks.ts';
import { ledgerOf, openPayment, placeOrder, placeOrders } from '../../testing/ordering.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';
import { batchNoOf } from '../../src/order/order-number.ts';
import { settledLineOf } from '../../src/order/settled-record.ts';

let context: TestContext;
beforeAll(async () => {
  context = await openTestContext();
});
afterAll(() => context.close());

let events = 0;
const eventOf = (paymentId: string, kind: PaymentEvent['kind']): PaymentEvent => ({
  eventId: `event-${(events += 1)}`,
  paymentId,
  kind,
});
const apply = (event: PaymentEvent) => applyPaymentEvent(context, 'sandbox', event);
const tell = (paymentId: string, kind: PaymentEvent['kind']) => apply(eventOf(paymentId, kind));
/** The status that pollers read from Redis; undefined if they are sent to the ledger. */
const statusInRedis = async ({ orderNo, productId }: Order) =>
  (await context.commands.readOrder({ shard: 0, id: productId }, orderNo)).settled?.status;

/** An order in that state, by the moves that lead there. */
async function orderIn(status: OrderStatus): Promise<Order> {
  const order = await placeOrder(context, await context.openSale());
  if (status === 'cancelled') await cancelOrder(context, order, { actor: 'shopper' });
  if (status === 'expired') await expireOrders(context, order.productId, [order.orderNo]);
  if (status === 'paid' || status === 'refunded') {
    const payment = await openPayment(context, order.orderNo);
    await tell(payment, 'succeeded');
    if (status === 'refunded') await tell(payment, 'refunded');
  }
  // Both are ends that the writer and admission alone can lead to.
  if (status === 'failed' || status === 'queued') {
    await context.db.updateTable('orders').set({ status }).where('order_no', '=', order.orderNo).execute();
  }
  return order;
}

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
      await tell(paymentId, 'succeeded');
      if ((await ledgerOf(context, order)).version === version) throw new Error('not paid');
    },
    refunded: async (order) => {
      await requestRefund(context, order, 'operator');
      const { payment_id: paymentId } = await context.db
        .selectFrom('payments')
        .select('payment_id')
        .where('order_no', '=', order.orderNo)
        .executeTakeFirstOrThrow();
      await tell(paymentId, 'refunded');
    },
  };
  const MOVES = (['pending_payment', 'paid', 'refunded', 'cancelled', 'expired', 'failed'] as const).flatMap((from) =>
    (['cancelled', 'expired', 'paid', 'refunded'] as const).map((to) => ({ from, to })),
  );

  test.each(MOVES.filter(({ from, to }) => canMove(from, to)))('moves from $from to $to', async ({ from, to }) => {
    const order = await orderIn(from);
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
    const order = await orderIn(move.from);
    const before = await ledgerOf(context, order);
    await expect(CALLS[move.to](order)).rejects.toThrow(/^The order is|^The payment is|^not (paid|expired)|no result/);
    const after = await ledgerOf(context, order);
    expect({ ...after, payments: [] }).toEqual({ ...before, payments: [] });
  });

  test('is refused because of its state, and the refusal names that state', async () => {
    for (const status of ['paid', 'refunded', 'cancelled', 'expired', 'failed'] as const) {
      const order = await orderIn(status);
      const refusal = { code: 'invalid_state', detail: `The order is ${status}` };
      await expect(cancelOrder(context, order, { actor: 'operator' })).rejects.toMatchObject(refusal);
    }
    for (const status of ['pending_payment', 'refunded', 'cancelled', 'expired', 'failed'] as const) {
      const refusal = { code: 'invalid_state', detail: `The order is ${status}` };
      await expect(requestRefund(context, await orderIn(status), 'operator')).rejects.toMatchObject(refusal);
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
    await tell(payment, 'succeeded');
    await requestRefund(context, order, 'operator');
    await tell(payment, 'refunded');
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

describe('a payment', () => {
  test('makes no move that its map does not have', async () => {
    for (const from of PAYMENT_STATUSES) {
      for (const to of PAYMENT_STATUSES.filter((one) => !canMovePayment(from, one))) {
        await expect(movePayments(context.db, ['pay_none'], from, to)).rejects.toThrow(
          `cannot move from ${from} to ${to}`,
        );
      }
    }
  });

  /** What is left after these events came in this order, for an order that waits for payment. */
  async function after(...kinds: PaymentEvent['kind'][]) {
    const order = await placeOrder(context, await context.openSale());
    const payment = await openPayment(context, order.orderNo);
    const applied: (boolean | string)[] = [];
    for (const kind of kinds) {
      applied.push(await tell(payment, kind).catch((error: { detail: string }) => error.detail));
    }
    const { status, payments } = await ledgerOf(context, order);
    return { applied, status, payment: payments[0] };
  }

  const EVERY: readonly {
    events: PaymentEvent['kind'][];
    applied: (boolean | string)[];
    status: OrderStatus;
    payment: PaymentStatus;
  }[] = [
    { events: ['succeeded'], applied: [true], status: 'paid', payment: 'succeeded' },
    { events: ['declined'], applied: [true], status: 'pending_payment', payment: 'declined' },
    // Its success was lost, or comes later: the money is refunded, and the order can be paid again.
    { events: ['refunded'], applied: [true], status: 'pending_payment', payment: 'refunded' },
    { events: ['wrong_amount'], applied: [true], status: 'pending_payment', payment: 'refund_pending' },
    {
      events: ['wrong_amount', 'succeeded', 'refunded'],
      applied: [true, false, true],
      status: 'pending_payment',
      payment: 'refunded',
    },
    {
      events: ['declined', 'wrong_amount'],
      applied: [true, true],
      status: 'pending_payment',
      payment: 'refund_pending',
    },
    { events: ['succeeded', 'wrong_amount'], applied: [true, false], status: 'paid', payment: 'succeeded' },
    { events: ['succeeded', 'refund_failed'], applied: [true, false], status: 'paid', payment: 'succeeded' },
    {
      events: ['succeeded', 'refunded', 'refund_failed', 'refunded'],
      applied: [true, true, true, true],
      status: 'refunded',
      payment: 'refunded',
    },
    {
      events: ['succeeded', 'refunded', 'refund_failed'],
      applied: [true, true, true],
      status: 'refunded',
      payment: 'refund_pending',
    },
    { events: ['succeeded', 'declined'], applied: [true, false], status: 'paid', payment: 'succeeded' },
    { events: ['succeeded', 'succeeded'], applied: [true, false], status: 'paid', payment: 'succeeded' },
    { events: ['declined', 'declined'], applied: [true, false], status: 'pending_payment', payment: 'declined' },
    { events: ['declined', 'succeeded'], applied: [true, true], status: 'paid', payment: 'succeeded' },
    {
      events: ['declined', 'refunded'],
      applied: [true, true],
      status: 'pending_payment',
      payment: 'refunded',
    },
    { events: ['succeeded', 'refunded'], applied: [true, true], status: 'refunded', payment: 'refunded' },
    {
      events: ['succeeded', 'refunded', 'refunded', 'succeeded', 'declined'],
      applied: [true, true, false, false, false],
      status: 'refunded',
      payment: 'refunded',
    },
    {
      events: ['refunded', 'succeeded', 'refunded'],
      applied: [true, false, false],
      status: 'pending_payment',
      payment: 'refunded',
    },
  ];
  test.each(EVERY)('with the events $events, in this order, is $payment and its order $status', async (expected) => {
    const { events: kinds, ...rest } = expected;
    expect(await after(...kinds)).toEqual(rest);
  });

  test('applies the same event once, however often the provider sends it, also in parallel', async () => {
    const order = await placeOrder(context, await context.openSale());
    const event = eventOf(await openPayment(context, order.orderNo), 'succeeded');
    const applied = await Promise.all(Array.from({ length: 8 }, () => apply(event)));
    expect(applied.filter(Boolean)).toHaveLength(1);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', version: 2, history: { length: 1 } });
  });

  test('that is unknown, or of another provider, is not found', async () => {
    const order = await placeOrder(context, await context.openSale());
    const payment = await openPayment(context, order.orderNo, 'stripe');
    await expect(tell('pay_unknown', 'succeeded')).rejects.toMatchObject({ code: 'not_found' });
    await expect(tell(payment, 'succeeded')).rejects.toMatchObject({ code: 'not_found' });
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'pending_payment', payments: ['started'] });
  });

  test.each(['cancelled', 'expired', 'refunded'] as const)(
    'that arrives after the order was %s goes back, and the order and its unit stay as they are',
    async (status) => {
      const order = await orderIn('pending_payment');
      const late = await openPayment(context, order.orderNo);
      if (status === 'cancelled') await cancelOrder(context, order, { actor: 'shopper' });
      if (status === 'expired') await expireOrders(context, order.productId, [order.orderNo]);
      if (status === 'refunded') {
        await tell(late, 'declined');
        const first = await openPayment(context, order.orderNo);
        await tell(first, 'succeeded');
        await tell(first, 'refunded');
      }
      const before = await ledgerOf(context, order);
      expect(await tell(late, 'succeeded')).toBe(true);
      const pending = await ledgerOf(context, order);
      expect(pending.payments[0]).toBe('refund_pending');
      await tell(late, 'refunded');
      const { payments, ...rest } = await ledgerOf(context, order);
      expect(payments[0]).toBe('refunded');
      const { payments: _before, ...same } = before;
      expect(rest).toEqual(same);
    },
  );

  test('in addition to another one is refunded, and the order stays paid', async () => {
    const order = await placeOrder(context, await context.openSale());
    const first = await openPayment(context, order.orderNo);
    await tell(first, 'declined');
    const second = await openPayment(context, order.orderNo);
    // The shopper tried the first one again on its own page.
    await Promise.all([tell(first, 'succeeded'), tell(second, 'succeeded')]);
    const paid = await ledgerOf(context, order);
    expect(paid).toMatchObject({ status: 'paid', sold: 1 });
    expect(paid.payments.toSorted()).toEqual(['refund_pending', 'succeeded']);
    const extra = paid.payments.indexOf('refund_pending') === 0 ? first : second;
    await tell(extra, 'refunded');
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', version: 2, returned: false });
  });

  test('is refunded even if it was given up at the moment at which it succeeded', async () => {
    const order = await placeOrder(context, await context.openSale());
    const payment = await openPayment(context, order.orderNo);
    await cancelOrder(context, order, { actor: 'shopper' });
    // As the caller of the provider does, who holds no lock of the sale: not committed yet when the
    // event comes.
    const givingUp = await context.db.startTransaction().execute();
    onTestFinished(async () => {
      if (!givingUp.isCommitted) await givingUp.rollback().execute();
    });
    await movePayments(givingUp, [payment], 'started', 'declined');
    const told = tell(payment, 'succeeded');
    await aLockIsWaitedFor(context.db);
    await givingUp.commit().execute();
    expect(await told).toBe(true);
    expect((await ledgerOf(context, order)).payments).toEqual(['refund_pending']);
  });

  test('is not opened for an order that cannot be paid, nor twice for one that can', async () => {
    const order = await placeOrder(context, await context.openSale());
    await openPayment(context, order.orderNo);
    await expect(openPayment(context, order.orderNo)).rejects.toMatchObject({ errno: 1062 });
    await cancelOrder(context, order, { actor: 'shopper' });
    await openPayment(context, order.orderNo);
    expect((await ledgerOf(context, order)).payments).toEqual(['started']);
  });

  test.each(['cancelled', 'paid'] as const)('still open when its order is %s is to be expired', async (status) => {
    const order = await placeOrder(context, await context.openSale());
    const first = await openPayment(context, order.orderNo);
    await tell(first, 'declined');
    const open = await openPayment(context, order.orderNo);
    if (status === 'paid') await tell(first, 'succeeded');
    else await cancelOrder(context, order, { actor: 'shopper' });
    const { ask_at: askAt } = await context.db
      .selectFrom('payments')
      .select('ask_at')
      .where('payment_id', '=', open)
      .executeTakeFirstOrThrow();
    expect(askAt).not.toBeNull();
  });
});

describe('at the same moment', () => {
  test('cancel, expiry and payment: one of them wins, and money that lost is refunded', async () => {
    const sale = await context.openSale({ seckillStock: 30 });
    const orders = await placeOrders(context, sale, shoppers(20));
    const payments = await Promise.all(orders.map(({ orderNo }) => openPayment(context, orderNo)));
    await Promise.all([
      ...orders.map((order) => cancelOrder(context, order, { actor: 'shopper' }).catch(() => undefined)),
      ...payments.map((payment) => tell(payment, 'succeeded')),
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
    expect(await statusInRedis(order)).toBe('pending_payment');
    await cancelOrder(context, order, { actor: 'shopper' });
    expect(await statusInRedis(order)).toBeUndefined();
    // A writer that read the row before the move settles it late.
    const batchNo = batchNoOf(order.orderNo);
    const facts = `${order.createdAtMs} ${order.priceCents}`;
    await context.commands.settle(sale, await takeLease(context, sale), 600_000, [
      { batchNo, facts, settled: [settledLineOf(order, order.createdAtMs)], stuck: [] },
    ]);
    expect(await statusInRedis(order)).toBeUndefined();
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
    expect(await statusInRedis(order)).toBe('pending_payment');
  });
});

test('a price change never touches accepted orders, their payments or the revenue', async () => {
  const sale = await context.openSale({ priceCents: 1_999 });
  const order = await placeOrder(context, sale);
  await context.db.updateTable('products').set({ price_cents: 5 }).where('id', '=', sale.id).execute();
  const payment = await openPayment(context, order.orderNo);
  await tell(payment, 'succeeded');
  const { amount_cents: amountCents } = await context.db
    .selectFrom('payments')
    .select('amount_cents')
    .where('payment_id', '=', payment)
    .executeTakeFirstOrThrow();
  expect(amountCents).toBe(1_999);
  const counters = await readCounters(context.db, sale.id);
  expect(counters.find(({ name }) => name === 'revenue_cents')?.value).toBe(1_999);
});

test('counters equal the rows, also after failed attempts', async () => {
  const sale = await context.openSale({ seckillStock: 20 });
  const orders = await placeOrders(context, sale, shoppers(10));
  const payments = await Promise.all(orders.slice(0, 5).map(({ orderNo }) => openPayment(context, orderNo)));
  for (const payment of payments) await tell(payment, 'succeeded');
  await requestRefund(context, orders[0]!, 'operator');
  await tell(payments[0]!, 'refunded');
  await tell(payments[0]!, 'refunded');
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

test('a payment is opened for the price of its order in the currency of the shop', async () => {
  const order = await placeOrder(context, await context.openSale({ priceCents: 777 }));
  const paymentId = newPaymentId(Date.now());
  await insertPayment(context.db, order.orderNo, { paymentId, provider: 'sandbox', currency: 'EUR' });
  const row = await context.db
    .selectFrom('payments')
    .selectAll()
    .where('payment_id', '=', paymentId)
    .executeTakeFirst();
  expect(row).toMatchObject({ amount_cents: 777, currency: 'EUR', status: 'started', product_id: order.productId });
});
