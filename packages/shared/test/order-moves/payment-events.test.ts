import { describe, expect, onTestFinished, test } from 'vitest';
import { insertPayment, movePayments } from '../../src/payment/payments-table.ts';
import { readCounters } from '../../src/sale/sale-counters-table.ts';
import type { OrderStatus } from '../../src/order/order.ts';
import {
  canMovePayment,
  newPaymentId,
  PAYMENT_STATUSES,
  type PaymentEvent,
  type PaymentStatus,
} from '../../src/payment/payment.ts';
import { cancelOrder, expireOrders } from '../../src/order-moves/cancel-and-expire.ts';
import { aLockIsWaitedFor } from '../../testing/row-locks.ts';
import { ledgerOf, openPayment, placeOrder } from '../../testing/ordering.ts';
import { testContext } from '../../testing/support.ts';
import { apply, eventOf, orderIn, tell } from './moving.ts';

const context = await testContext();

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
      applied.push(await tell(context, payment, kind).catch((error: { detail: string }) => error.detail));
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
    const applied = await Promise.all(Array.from({ length: 8 }, () => apply(context, event)));
    expect(applied.filter(Boolean)).toHaveLength(1);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', version: 2, history: { length: 1 } });
  });

  test('that is unknown, or of another provider, is not found', async () => {
    const order = await placeOrder(context, await context.openSale());
    const payment = await openPayment(context, order.orderNo, 'stripe');
    await expect(tell(context, 'pay_unknown', 'succeeded')).rejects.toMatchObject({ code: 'not_found' });
    await expect(tell(context, payment, 'succeeded')).rejects.toMatchObject({ code: 'not_found' });
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'pending_payment', payments: ['started'] });
  });

  test.each(['cancelled', 'expired', 'refunded'] as const)(
    'that arrives after the order was %s is refunded, and the order and its unit stay as they are',
    async (status) => {
      const order = await orderIn(context, 'pending_payment');
      const late = await openPayment(context, order.orderNo);
      if (status === 'cancelled') await cancelOrder(context, order, { actor: 'shopper' });
      if (status === 'expired') await expireOrders(context, order.productId, [order.orderNo]);
      if (status === 'refunded') {
        await tell(context, late, 'declined');
        const first = await openPayment(context, order.orderNo);
        await tell(context, first, 'succeeded');
        await tell(context, first, 'refunded');
      }
      const before = await ledgerOf(context, order);
      expect(await tell(context, late, 'succeeded')).toBe(true);
      const pending = await ledgerOf(context, order);
      expect(pending.payments[0]).toBe('refund_pending');
      await tell(context, late, 'refunded');
      const { payments, ...rest } = await ledgerOf(context, order);
      expect(payments[0]).toBe('refunded');
      const { payments: _before, ...same } = before;
      expect(rest).toEqual(same);
    },
  );

  test('in addition to another one is refunded, and the order stays paid', async () => {
    const order = await placeOrder(context, await context.openSale());
    const first = await openPayment(context, order.orderNo);
    await tell(context, first, 'declined');
    const second = await openPayment(context, order.orderNo);
    // The shopper tried the first one again on its own page.
    await Promise.all([tell(context, first, 'succeeded'), tell(context, second, 'succeeded')]);
    const paid = await ledgerOf(context, order);
    expect(paid).toMatchObject({ status: 'paid', sold: 1 });
    expect(paid.payments.toSorted()).toEqual(['refund_pending', 'succeeded']);
    const extra = paid.payments.indexOf('refund_pending') === 0 ? first : second;
    await tell(context, extra, 'refunded');
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', version: 2, returned: false });
  });

  test('is refunded even if it was ended at the moment at which it succeeded', async () => {
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
    const told = tell(context, payment, 'succeeded');
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
    await tell(context, first, 'declined');
    const open = await openPayment(context, order.orderNo);
    if (status === 'paid') await tell(context, first, 'succeeded');
    else await cancelOrder(context, order, { actor: 'shopper' });
    const { ask_at: askAt } = await context.db
      .selectFrom('payments')
      .select('ask_at')
      .where('payment_id', '=', open)
      .executeTakeFirstOrThrow();
    expect(askAt).not.toBeNull();
  });
});

test('a price change never touches accepted orders, their payments or the revenue', async () => {
  const sale = await context.openSale({ priceCents: 1_999 });
  const order = await placeOrder(context, sale);
  await context.db.updateTable('products').set({ price_cents: 5 }).where('id', '=', sale.id).execute();
  const payment = await openPayment(context, order.orderNo);
  await tell(context, payment, 'succeeded');
  const { amount_cents: amountCents } = await context.db
    .selectFrom('payments')
    .select('amount_cents')
    .where('payment_id', '=', payment)
    .executeTakeFirstOrThrow();
  expect(amountCents).toBe(1_999);
  const counters = await readCounters(context.db, sale.id);
  expect(counters.find(({ name }) => name === 'revenue_cents')?.value).toBe(1_999);
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
