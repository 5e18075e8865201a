import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PaymentProvider } from '../../src/payment/provider.ts';
import { createStripe } from '../../src/payment/stripe.ts';
import { FakeStripe } from '../../testing/fake-stripe.ts';
import { signedByStripe } from '../../testing/stripe-signature.ts';
import { WEBHOOK_SECRET, paid } from './stripe-payment.ts';

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

describe('a webhook', () => {
  const signed = (payload: string, secret = WEBHOOK_SECRET) => signedByStripe(payload, secret);
  const bodyOf = (type: string, object: object, id = 'evt_1'): string =>
    JSON.stringify({ id, object: 'event', type, data: { object } });
  const verify = (payload: string, headers = signed(payload)) => stripe.verifyWebhook(Buffer.from(payload), headers);
  const metadata = { flash_sale_payment_id: 'pay_1' };
  const money = { amount_total: 1_999, currency: 'eur' };
  const received = { amount: 1_999, currency: 'EUR' };

  test.each([
    ['checkout.session.completed', { payment_status: 'paid', ...money, metadata }, { kind: 'succeeded', received }],
    ['checkout.session.async_payment_succeeded', { ...money, metadata }, { kind: 'succeeded', received }],
    ['checkout.session.async_payment_failed', { metadata }, { kind: 'declined' }],
    ['checkout.session.expired', { metadata }, { kind: 'declined' }],
    ['charge.refunded', { refunded: true, metadata }, { kind: 'refund_changed' }],
    ['refund.failed', { status: 'failed', metadata }, { kind: 'refund_changed' }],
  ])('%s with %j is: %j', async (type, object, told) => {
    expect(await verify(bodyOf(type, object))).toEqual({ event: { eventId: 'evt_1', paymentId: 'pay_1', ...told } });
  });

  test('of each event of Stripe is understood as Stripe sends it', async () => {
    const payment = await paid(stripe, fake);
    await stripe.refund(payment);
    fake.settleRefunds(false);
    const told = await Promise.all(fake.events.map((payload) => verify(payload)));
    expect(told).toMatchObject([
      { event: { paymentId: 'pay_1', kind: 'succeeded', received } },
      { event: { paymentId: 'pay_1', kind: 'refund_changed' } },
      { event: { paymentId: 'pay_1', kind: 'refund_changed' } },
    ]);
  });

  test('of a refund that was made by hand and fails is of the payment whose intent it gives back: it was not_ours', async () => {
    const payment = await paid(stripe, fake);
    fake.refundByHand(payment.providerRef);
    fake.settleRefunds(false);
    const failed = fake.events.at(-1)!;
    expect(await verify(failed)).toMatchObject({ event: { paymentId: 'pay_1', kind: 'refund_changed' } });
    // Where Stripe does not say whose it is, the webhook is to come again.
    fake.fail('retrieve intent', { status: 401 });
    await expect(verify(failed)).rejects.toMatchObject({ name: 'ProviderFault' });
    const foreign = bodyOf('refund.failed', { payment_intent: 'pi_of_somebody_else', metadata: {} });
    expect(await verify(foreign)).toEqual({ ignored: 'not_ours' });
  });

  const completed = (fields: object): string =>
    bodyOf('checkout.session.completed', { payment_status: 'paid', ...money, ...fields });
  test.each([
    ['no_news', 'money that is not there yet', completed({ payment_status: 'unpaid', metadata })],
    ['no_news', 'a part of a refund', bodyOf('charge.refunded', { refunded: false, metadata })],
    ['not_ours', 'a session without metadata', completed({ metadata: {} })],
    ['not_ours', 'another application', completed({ metadata: { payment_id: 'pay_nobody' } })],
    ['not_ours', 'another application’s unpaid session', completed({ payment_status: 'unpaid', metadata: {} })],
    ['not_ours', 'a charge without metadata', bodyOf('charge.refunded', { refunded: true, metadata: null })],
    ['not_ours', 'a session where metadata is missing', completed({})],
    ['unreadable', 'an id that is none', completed({ metadata: { flash_sale_payment_id: 'ü' } })],
    ['unreadable', 'an id that is too long', completed({ metadata: { flash_sale_payment_id: 'p'.repeat(33) } })],
    ['unreadable', 'an empty id', completed({ metadata: { flash_sale_payment_id: '' } })],
    ['unreadable', 'an id that is no text', completed({ metadata: { flash_sale_payment_id: 7 } })],
    ['unreadable', 'an event id that fits nowhere', bodyOf('charge.refunded', { refunded: true, metadata }, 'é')],
    ['unreadable', 'money without an amount', completed({ amount_total: null, metadata })],
    ['other_kind', 'a customer', bodyOf('customer.created', {})],
    ['other_kind', 'a kind of next year', bodyOf('checkout.session.teleported', { metadata })],
    ['unreadable', 'a thin event', JSON.stringify({ id: 'evt_1', object: 'v2.core.event', type: 'v2.core.x' })],
    ['unreadable', 'half an object', '{'],
    ['unreadable', 'null', 'null'],
    ['unreadable', 'a list', '[]'],
    ['unreadable', 'an event without data', '{"type":"checkout.session.completed"}'],
  ])('is %s, and never refused, if it is signed and of %s', async (ignored, _name, payload) => {
    expect(await verify(payload)).toEqual({ ignored });
  });

  const body = completed({ metadata });
  test.each([
    ['no signature', {}],
    ['an empty one', { 'stripe-signature': '' }],
    ['another secret', signed(body, 'whsec_of_somebody_else')],
    ['a signature of another body', signed(`${body} `)],
    [
      'a signature of ten minutes ago',
      signedByStripe(body, WEBHOOK_SECRET, { timestamp: Math.floor(Date.now() / 1_000) - 600 }),
    ],
  ])('with %s is refused as forged or replayed', async (_name, headers) => {
    await expect(stripe.verifyWebhook(Buffer.from(body), headers)).rejects.toMatchObject({ code: 'unauthenticated' });
  });
});
