import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { newPaymentId } from '@flash-sale/shared/payment/payment.ts';
import { findPayment, insertPayment, updateStartedPayment } from '@flash-sale/shared/payment/payments-table.ts';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { requestRefund } from '@flash-sale/shared/order-moves/request-refund.ts';
import { paymentProviders, type PaymentProvider } from '@flash-sale/shared/payment/provider.ts';
import { createSandbox } from '@flash-sale/shared/payment/sandbox.ts';
import { createStripe } from '@flash-sale/shared/payment/stripe.ts';
import { receivePaymentEvent } from '@flash-sale/shared/order-moves/payment-events.ts';
import { watched } from '@flash-sale/shared/payment/watched.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { FakeStripe } from '@flash-sale/shared/testing/fake-stripe.ts';
import { signedByStripe } from '@flash-sale/shared/testing/stripe-signature.ts';
import { ledgerOf, placeOrder } from '@flash-sale/shared/testing/ordering.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { paymentCalls } from '../../src/services/payment-calls.ts';

const GOING_ON = new AbortController().signal;
const SECRET = 'whsec_of_this_test';

let context: TestContext;
let fake: FakeStripe;
let stripe: PaymentProvider;
let metrics: ReturnType<typeof createMetrics>;
let errors: object[];
beforeEach(async () => {
  context = await openTestContext({ CURRENCY: 'EUR' });
  fake = new FakeStripe();
  metrics = createMetrics('worker');
  errors = [];
  const log = { ...context.log, error: (facts: object) => errors.push(facts) } as unknown as TestContext['log'];
  const api = { ...(await fake.listen()), timeout: 500 };
  const options = { secretKey: 'sk_test_1', webhookSecret: SECRET, publicUrl: 'https://shop.test', api };
  stripe = watched(createStripe(options), { log, metrics });
  onTestFinished(async () => {
    await fake.close();
    await context.close();
  });
});

/** An order with a payment that Stripe has started. */
async function begin(): Promise<{ order: Order; payment_id: string; session: string }> {
  const order = await placeOrder(context, await context.openSale());
  const paymentId = newPaymentId(Date.now());
  await insertPayment(context.db, order.orderNo, { paymentId, provider: 'stripe', currency: 'EUR' });
  const { providerRef, url } = await stripe.start((await findPayment(context.db, paymentId))!);
  await updateStartedPayment(context.db, paymentId, providerRef, url);
  return { order, payment_id: paymentId, session: providerRef };
}

/**
 * Rounds of the payment calls, far enough apart that everything that waits is asked about in each.
 */
async function rounds(count: number, providers = paymentProviders(stripe)): Promise<void> {
  const { db, log, saleTransactions } = context;
  for (let i = 0; i < count; i += 1) {
    await db.updateTable('payments').set({ ask_at: new Date() }).where('ask_at', 'is not', null).execute();
    // Another one each time, as after a restart.
    await paymentCalls({ db, providers, saleTransactions, log, metrics }).round(GOING_ON);
  }
}

/** Delivers the webhooks from here on; the earlier ones are lost. */
async function deliver(from = 0): Promise<void> {
  for (const payload of fake.events.slice(from)) {
    const webhook = await stripe.verifyWebhook(Buffer.from(payload), signedByStripe(payload, SECRET));
    if ('event' in webhook) await receivePaymentEvent({ ...context, metrics }, 'stripe', webhook.event);
  }
}
const cancel = (order: Order) => cancelOrder(context, order, { actor: 'shopper' });

/** All webhooks are lost. */
test('money that arrives in time for an order pays it', async () => {
  const { order, session } = await begin();
  fake.pay(session);
  await rounds(1);
  expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', payments: ['succeeded'] });
});

test('money that arrives at the moment at which its session is expired is refunded', async () => {
  const { order, session } = await begin();
  await cancel(order);
  fake.meanwhile = (call) => {
    if (call === 'expire session') fake.pay(session);
  };
  await rounds(2);
  expect(fake.paidBack(session)).toBe(order.priceCents);
  expect(await ledgerOf(context, order)).toMatchObject({ status: 'cancelled', payments: ['refunded'] });
});

test('money of a session that was complete before its order closed is refunded', async () => {
  const { order, session } = await begin();
  fake.pay(session);
  await cancel(order);
  await rounds(2);
  expect(fake.paidBack(session)).toBe(order.priceCents);
  expect(await ledgerOf(context, order)).toMatchObject({ payments: ['refunded'] });
});

test('money that takes days to arrive for a closed order is awaited, and refunded when it is there', async () => {
  const { order, session } = await begin();
  fake.pay(session, { takesDays: true });
  await cancel(order);
  await rounds(3);
  expect(await ledgerOf(context, order)).toMatchObject({ payments: ['started'] });
  fake.settle(session, true);
  await rounds(2);
  expect(fake.paidBack(session)).toBe(order.priceCents);
});

test('a refund is confirmed although it was made by hand and its webhook is lost', async () => {
  const { order, session } = await begin();
  fake.pay(session);
  await rounds(1);
  await requestRefund(context, order, 'operator');
  fake.refundByHand(session);
  await rounds(1);
  expect(fake.calls.filter(({ call }) => call === 'create refund')).toEqual([]);
  expect(await ledgerOf(context, order)).toMatchObject({ status: 'refunded', payments: ['refunded'], sold: 0 });
});

test.each([
  ['an error that Stripe keeps for a day', [{ status: 500, kept: true }]],
  ['one after it was carried out', [{ status: 500, kept: true, carriedOut: true }]],
  [
    'several of both',
    [
      { status: 500, kept: true },
      { status: 503, kept: true, carriedOut: true },
    ],
  ],
  ['an answer that is lost', ['hang up after', 'hang up', 'hang up']],
  ['a page of a proxy', [{ html: 502 }, { html: 502 }, { html: 502 }]],
] as const)('a refund that meets %s is made once, in minutes', async (_name, faults) => {
  const { order, session } = await begin();
  await cancel(order);
  fake.meanwhile = (call) => {
    if (call === 'expire session') fake.pay(session);
  };
  fake.fail('create refund', ...faults);
  await rounds(6);
  expect(fake.paidBack(session)).toBe(order.priceCents);
  expect(await ledgerOf(context, order)).toMatchObject({ payments: ['refunded'] });
});

test('a refund that the bank returns is made again, and its order does not change', async () => {
  const { order, session } = await begin();
  fake.pay(session);
  await rounds(1);
  await requestRefund(context, order, 'operator');
  await rounds(1);
  const before = fake.events.length;
  fake.settleRefunds(false);
  await deliver(before);
  await rounds(2);
  expect(fake.paidBack(session)).toBe(order.priceCents);
  expect(await ledgerOf(context, order)).toMatchObject({ status: 'refunded', payments: ['refunded'] });
});

test('a refund that fails is made again, though the webhook that it arrived comes after the one that it failed', async () => {
  const { order, session } = await begin();
  fake.pay(session);
  await rounds(1);
  await requestRefund(context, order, 'operator');
  fake.refundsTakeTime = true;
  const before = fake.events.length;
  await rounds(1);
  fake.settleRefunds(false);
  fake.events.splice(before, 2, ...fake.events.slice(before).toReversed());
  fake.refundsTakeTime = false;
  await deliver(before);
  expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', payments: ['refund_pending'] });
  await rounds(1);
  expect(fake.paidBack(session)).toBe(order.priceCents);
  expect(await ledgerOf(context, order)).toMatchObject({ status: 'refunded', payments: ['refunded'] });
  // Stripe may send all of its events again: the payment is refunded once.
  await deliver(before);
  await rounds(2);
  expect(fake.calls.filter(({ call }) => call === 'create refund')).toHaveLength(2);
  expect(await ledgerOf(context, order)).toMatchObject({ status: 'refunded', payments: ['refunded'] });
});

test('a paid order whose money was refunded by hand is refunded, though no webhook of it came', async () => {
  const { order, session } = await begin();
  fake.pay(session);
  await rounds(1);
  expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid' });
  fake.refundByHand(session);
  await rounds(1);
  expect(await ledgerOf(context, order)).toMatchObject({ status: 'refunded', payments: ['refunded'], sold: 0 });
  const asked = () => fake.calls.filter(({ call }) => call === 'retrieve session').length;
  const before = asked();
  await rounds(3);
  expect(asked()).toBe(before);
});

test.each(['webhooks come', 'all webhooks are lost'])(
  'a refund that was made by hand and fails later goes back to the shopper: %s',
  async (how) => {
    const { order, session } = await begin();
    fake.pay(session);
    await rounds(1);
    const before = fake.events.length;
    fake.refundByHand(session);
    if (how === 'webhooks come') await deliver(before);
    await rounds(1);
    const after = fake.events.length;
    fake.settleRefunds(false);
    if (how === 'webhooks come') await deliver(after);
    await rounds(2);
    expect(fake.paidBack(session)).toBe(order.priceCents);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'refunded', payments: ['refunded'] });
  },
);

test('news of a refund that comes while its provider is asked is not lost with the older answer', async () => {
  const { order, payment_id: paymentId, session } = await begin();
  fake.pay(session);
  await rounds(1);
  fake.refundByHand(session);
  await rounds(1);
  expect(await ledgerOf(context, order)).toMatchObject({ status: 'refunded' });
  // The bank returns it, and Stripe sends an event, just after the refunds were listed.
  const read = stripe.read.bind(stripe);
  const spied = vi.spyOn(stripe, 'read').mockImplementationOnce(async (payment) => {
    const answer = await read(payment);
    const before = fake.events.length;
    fake.settleRefunds(false);
    await deliver(before);
    return answer;
  });
  onTestFinished(() => spied.mockRestore());
  const again = { eventId: 'evt_again', paymentId, kind: 'refund_changed' } as const;
  await receivePaymentEvent({ ...context, metrics }, 'stripe', again);
  await rounds(3);
  expect(fake.paidBack(session)).toBe(order.priceCents);
});

test('a payment of another amount is refunded completely, and the order can be paid again', async () => {
  const { order, session } = await begin();
  fake.pay(session, { amount: order.priceCents - 1 });
  await deliver();
  await rounds(1);
  expect(fake.paidBack(session)).toBe(order.priceCents - 1);
  expect(await ledgerOf(context, order)).toMatchObject({ status: 'pending_payment', payments: ['refunded'] });
});

test('a key that Stripe does not accept is logged once, until it is fixed and fails again', async () => {
  const { order, payment_id: paymentId, session } = await begin();
  fake.pay(session);
  await cancel(order);
  fake.fail('retrieve session', { status: 401 }, { status: 403 }, { status: 401 });
  await rounds(3);
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatchObject({ err: { message: expect.stringContaining('See STRIPE_SECRET_KEY') as string } });
  await rounds(2);
  expect(fake.paidBack(session)).toBe(order.priceCents);
  const counted = (await metrics.paymentCalls.get()).values;
  expect(counted).toContainEqual({ labels: { call: 'expire', outcome: 'refused' }, value: 3 });
  fake.fail('retrieve session', { status: 401 });
  await expect(stripe.read((await findPayment(context.db, paymentId))!)).rejects.toMatchObject({ kind: 'refused' });
  expect(errors).toHaveLength(2);
});

test('payments of a former provider are ended and refunded by it: they waited for ever after PAYMENT_PROVIDER was changed', async () => {
  const sandbox = createSandbox({ secret: 's', publicUrl: 'http://127.0.0.1:1', log: context.log });
  const switched = paymentProviders(sandbox, stripe);
  const [closed, paid] = [await begin(), await begin()];
  await cancel(closed.order);
  fake.pay(paid.session);
  await rounds(1, switched);
  expect(fake.sessions.map(({ status }) => status)).toEqual(['expired', 'complete']);
  expect(await ledgerOf(context, paid.order)).toMatchObject({ status: 'paid' });
  await requestRefund(context, paid.order, 'operator');
  await rounds(2, switched);
  expect(await ledgerOf(context, paid.order)).toMatchObject({ status: 'refunded', payments: ['refunded'] });
});

test('a payment whose provider has no secrets any more waits, and says which are missing', async () => {
  const { order, payment_id: paymentId } = await begin();
  await cancel(order);
  await rounds(1, paymentProviders(createSandbox({ secret: 's', publicUrl: 'http://127.0.0.1:1', log: context.log })));
  const payment = await context.db
    .selectFrom('payments')
    .selectAll()
    .where('payment_id', '=', paymentId)
    .executeTakeFirstOrThrow();
  expect(payment).toMatchObject({ status: 'started', last_error: expect.stringContaining('belongs to stripe') });
  expect(payment.ask_at).not.toBeNull();
  await rounds(1);
  expect((await ledgerOf(context, order)).payments).toEqual(['declined']);
});
