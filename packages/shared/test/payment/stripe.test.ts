import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PaymentProvider } from '../../src/payment/provider.ts';
import { createStripe } from '../../src/payment/stripe.ts';
import { FakeStripe } from '../../testing/fake-stripe.ts';
import type { StripeCall } from '../../testing/stripe-messages.ts';
import { PAYMENT, WEBHOOK_SECRET, paid, started } from './stripe-payment.ts';

let fake: FakeStripe;
let stripe: PaymentProvider;
beforeEach(async () => {
  fake = new FakeStripe();
  stripe = createStripe({
    secretKey: 'sk_test_1',
    webhookSecret: WEBHOOK_SECRET,
    publicUrl: 'https://shop.test',
    api: { ...(await fake.listen()), timeout: 500 },
  });
});
afterEach(() => fake.close());

const asked = (): StripeCall[] => fake.calls.map(({ call }) => call);
const keysOf = (call: StripeCall) => fake.calls.filter((one) => one.call === call).map(({ key }) => key);
const SUCCEEDED = { now: 'succeeded', received: { amount: 1_999, currency: 'EUR' } };

describe('a start', () => {
  test('opens a Checkout session for the price of the order, under a name of ours for the payment', async () => {
    expect(await stripe.start(PAYMENT)).toEqual({ providerRef: 'cs_1', url: 'https://checkout.stripe.test/cs_1' });
    const [{ form, key }] = fake.calls as [(typeof fake.calls)[number]];
    expect(key).toBe('start-pay_1-0');
    expect(form).toMatchObject({
      mode: 'payment',
      client_reference_id: PAYMENT.orderNo,
      'line_items[0][price_data][unit_amount]': '1999',
      'line_items[0][price_data][currency]': 'eur',
      'line_items[0][quantity]': '1',
      'metadata[flash_sale_payment_id]': 'pay_1',
      'payment_intent_data[metadata][flash_sale_payment_id]': 'pay_1',
      success_url: `https://shop.test/api/v1/orders/${PAYMENT.orderNo}`,
    });
  });

  test('brings the shopper back to the storefront, if there is one', async () => {
    const other = new FakeStripe();
    const withStorefront = createStripe({
      secretKey: 'sk',
      webhookSecret: 'whsec',
      publicUrl: 'https://shop.test',
      hasStorefront: true,
      api: await other.listen(),
    });
    await withStorefront.start(PAYMENT);
    const page = 'https://shop.test/orders';
    expect(other.calls[0]!.form).toMatchObject({ success_url: page, cancel_url: page });
    await other.close();
  });

  test('that is repeated sends the same request, so that Stripe answers with the same session', async () => {
    const first = await stripe.start(PAYMENT);
    expect(await stripe.start(PAYMENT)).toEqual(first);
    expect(fake.sessions).toHaveLength(1);
  });

  test('without an answer is repeated with the same key', async () => {
    fake.fail('create session', 'hang up after', 'hang up');
    await stripe.start(PAYMENT);
    expect(new Set(keysOf('create session'))).toEqual(new Set(['start-pay_1-0']));
    expect(fake.sessions).toHaveLength(1);
  });

  test('whose error Stripe keeps fails again with its key, reports that, and succeeds with the next one', async () => {
    fake.fail('create session', { status: 500, kept: true });
    const fault = { kind: 'failed', mayBeKept: true };
    await expect(stripe.start(PAYMENT)).rejects.toMatchObject(fault);
    await expect(stripe.start(PAYMENT)).rejects.toMatchObject(fault);
    expect(await stripe.start({ ...PAYMENT, keyNo: 1 })).toMatchObject({ providerRef: 'cs_1' });
  });

  test('whose key was used with other parameters (PUBLIC_URL has changed) succeeds with the next one', async () => {
    await stripe.start(PAYMENT);
    const dearer = { ...PAYMENT, amountCents: 2_000 };
    await expect(stripe.start(dearer)).rejects.toMatchObject({ kind: 'failed', mayBeKept: true });
    expect(await stripe.start({ ...dearer, keyNo: 1 })).toMatchObject({ providerRef: 'cs_2' });
  });
});

describe('a call that Stripe does not answer', () => {
  test.each([
    ['401, a wrong key', { status: 401 }, { kind: 'refused', mayBeKept: false }],
    ['403, a key without that right', { status: 403 }, { kind: 'refused', mayBeKept: false }],
    ['429, too many', { status: 429 }, { kind: 'busy', mayBeKept: false, retryAfterMs: 40_000 }],
    ['409, the key is in use', { status: 409 }, { kind: 'failed', mayBeKept: false }],
    ['500', { status: 500, kept: true }, { kind: 'failed', mayBeKept: true }],
    ['503', { status: 503, kept: true }, { kind: 'failed', mayBeKept: true }],
    ['a page of a proxy', { html: 502 }, { kind: 'unanswered', mayBeKept: false }],
    ['a page that says 200', { html: 200 }, { kind: 'unanswered', mayBeKept: false }],
    [
      'a redirect, which is not followed',
      { redirect: 'http://127.0.0.1:1/' },
      { kind: 'unanswered', mayBeKept: false },
    ],
    ['nothing', 'hang up', { kind: 'unanswered', mayBeKept: false }],
  ] as const)('fails as what it is: %s', async (_name, fault, expected) => {
    fake.fail('create session', fault, fault, fault);
    await expect(stripe.start(PAYMENT)).rejects.toMatchObject({ name: 'ProviderFault', ...expected });
  });

  test('ends at its timeout', async () => {
    const hanging = new FakeStripe();
    const api = { ...(await hanging.listen()), timeout: 50 };
    hanging.fail('create session', 'hang', 'hang', 'hang');
    const slow = createStripe({ secretKey: 'sk', webhookSecret: 'whsec', publicUrl: 'https://shop.test', api });
    await expect(slow.start(PAYMENT)).rejects.toMatchObject({ kind: 'unanswered', mayBeKept: false });
    await hanging.close();
  });
});

describe('the state of a payment at Stripe', () => {
  test('is open without money, and has the received amount with it', async () => {
    const payment = await started(stripe);
    expect(await stripe.read(payment)).toEqual({ now: 'open' });
    fake.pay(payment.providerRef, { amount: 1_998 });
    expect(await stripe.read(payment)).toEqual({ now: 'succeeded', received: { amount: 1_998, currency: 'EUR' } });
  });

  test.each([
    [true, SUCCEEDED],
    [false, { now: 'declined' }],
  ])('is awaited if its money takes days, and then is paid or not: %j', async (comes, answer) => {
    const payment = await started(stripe);
    fake.pay(payment.providerRef, { takesDays: true });
    expect(await stripe.read(payment)).toEqual({ now: 'waiting' });
    fake.settle(payment.providerRef, comes);
    expect(await stripe.read(payment)).toEqual(answer);
  });
});

describe('a payment whose money went back', () => {
  test('is refunded only while the refunds stand at Stripe, whoever made them and whatever events said', async () => {
    const payment = await paid(stripe, fake);
    fake.refundByHand(payment.providerRef, 500);
    expect(await stripe.read(payment)).toEqual(SUCCEEDED);
    fake.refundByHand(payment.providerRef);
    expect(await stripe.read(payment)).toEqual({ now: 'refunded' });
    fake.settleRefunds(false);
    expect(await stripe.read(payment)).toEqual(SUCCEEDED);
    fake.refundsTakeTime = true;
    fake.refundByHand(payment.providerRef);
    expect(await stripe.read(payment)).toEqual({ now: 'waiting' });
    expect(await stripe.expire(payment)).toEqual({ now: 'waiting' });
  });

  test('is found in the events that Stripe keeps, since the last reading and the hour before', async () => {
    const payment = await paid(stripe, fake);
    fake.refundByHand(payment.providerRef);
    const kinds = async (cursor?: string) =>
      (await stripe.refundEvents!(cursor)).events.map(({ paymentId, kind }) => `${paymentId} ${kind}`);
    expect(await kinds()).toEqual(['pay_1 refund_changed']);
    const { cursor } = await stripe.refundEvents!(undefined);
    expect(await kinds(cursor)).toEqual(['pay_1 refund_changed']);
    expect(await kinds(String(Number(cursor) + 3_601))).toEqual([]);
  });
});

describe('a close', () => {
  test('expires an open session, so that it cannot be paid any more', async () => {
    const payment = await started(stripe);
    expect(await stripe.expire(payment)).toEqual({ now: 'declined' });
    expect(fake.pay(payment.providerRef)).toBe(false);
    expect(await stripe.expire(payment)).toEqual({ now: 'declined' });
  });

  test('finds the money of a complete session without a webhook', async () => {
    expect(await stripe.expire(await paid(stripe, fake))).toEqual(SUCCEEDED);
  });

  test('finds the money of a session that completes between the check and the call', async () => {
    const payment = await started(stripe);
    fake.meanwhile = (call) => {
      if (call === 'expire session') fake.pay(payment.providerRef);
    };
    expect(await stripe.expire(payment)).toEqual(SUCCEEDED);
    expect(asked().slice(1)).toEqual(['retrieve session', 'expire session', 'retrieve session', 'list refunds']);
  });

  test('waits for money that takes days and cannot be stopped any more', async () => {
    const payment = await started(stripe);
    fake.pay(payment.providerRef, { takesDays: true });
    expect(await stripe.expire(payment)).toEqual({ now: 'waiting' });
  });

  test('that Stripe refuses while the session is open fails', async () => {
    const payment = await started(stripe);
    fake.fail('expire session', { status: 400 });
    await expect(stripe.expire(payment)).rejects.toMatchObject({ kind: 'failed' });
  });

  test('calls nothing for a payment whose page the shopper never got', async () => {
    expect(await stripe.expire(PAYMENT)).toEqual({ now: 'declined' });
    expect(asked()).toEqual([]);
  });
});

describe('a refund', () => {
  test('refunds the whole payment, with its own key, and reports when it is done', async () => {
    const payment = await paid(stripe, fake);
    expect(await stripe.refund(payment)).toEqual({ now: 'refunded' });
    expect(keysOf('create refund')).toEqual(['refund-pay_1-0']);
    expect(fake.calls.at(-1)!.form).toEqual({ payment_intent: 'pi_2', 'metadata[flash_sale_payment_id]': 'pay_1' });
  });

  test('that takes days is awaited, and not repeated', async () => {
    const payment = await paid(stripe, fake);
    fake.refundsTakeTime = true;
    expect(await stripe.refund(payment)).toEqual({ now: 'waiting' });
    expect(await stripe.refund(payment)).toEqual({ now: 'waiting' });
    fake.settleRefunds(true);
    expect(await stripe.refund(payment)).toEqual({ now: 'refunded' });
    expect(keysOf('create refund')).toHaveLength(1);
  });

  test('that the bank returns is made again, also with a key that Stripe knows', async () => {
    const payment = await paid(stripe, fake);
    await stripe.refund(payment);
    fake.settleRefunds(false);
    expect(fake.paidBack(payment.providerRef)).toBe(0);
    expect(await stripe.refund(payment)).toEqual({ now: 'refunded' });
    expect(fake.paidBack(payment.providerRef)).toBe(1_999);
  });

  test.each([
    [undefined, []],
    [500, ['refund-pay_1-0']],
  ])('of what was refunded by hand (%s of it) sends the rest alone', async (amount, keys) => {
    const payment = await paid(stripe, fake);
    fake.refundByHand(payment.providerRef, amount);
    expect(await stripe.refund(payment)).toEqual({ now: 'refunded' });
    expect(keysOf('create refund')).toEqual(keys);
    expect(fake.paidBack(payment.providerRef)).toBe(1_999);
  });

  test('made by hand at the same moment is found at the next call', async () => {
    const payment = await paid(stripe, fake);
    fake.meanwhile = (call) => {
      if (call === 'create refund') fake.refundByHand(payment.providerRef);
    };
    await expect(stripe.refund(payment)).rejects.toMatchObject({ kind: 'failed', mayBeKept: true });
    expect(await stripe.refund({ ...payment, keyNo: 1 })).toEqual({ now: 'refunded' });
    expect(fake.paidBack(payment.providerRef)).toBe(1_999);
  });

  test.each([
    ['did nothing', { status: 500, kept: true }],
    ['refunded all the same', { status: 500, kept: true, carriedOut: true }],
  ] as const)('whose kept error %s is made once, in the next call', async (_name, fault) => {
    const payment = await paid(stripe, fake);
    fake.fail('create refund', fault);
    await expect(stripe.refund(payment)).rejects.toMatchObject({ mayBeKept: true });
    expect(await stripe.refund({ ...payment, keyNo: 1 })).toEqual({ now: 'refunded' });
    expect(fake.paidBack(payment.providerRef)).toBe(1_999);
  });

  test('that Stripe refuses for another reason must be repeated', async () => {
    const payment = await paid(stripe, fake);
    fake.fail('create refund', { status: 400, code: 'charge_disputed', kept: true });
    await expect(stripe.refund(payment)).rejects.toThrow('Stripe answers 400');
  });
});
