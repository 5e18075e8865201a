import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Payment } from '../../src/domain/payment.ts';
import type { PaymentProvider } from '../../src/payment/provider.ts';
import { createStripe } from '../../src/payment/stripe.ts';
import { signedByStripe } from './stripe-signature.ts';

const WEBHOOK_SECRET = 'whsec_of_this_test';
const PAYMENT: Payment = {
  payment_id: 'pay_1',
  order_no: '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-17',
  product_id: 17,
  provider: 'stripe',
  provider_ref: 'cs_1',
  url: null,
  status: 'started',
  amount_cents: 1_999,
  currency: 'EUR',
};

interface Call {
  readonly call: string;
  readonly key: string | undefined;
  readonly form: Readonly<Record<string, string>>;
}
/** What Stripe's API was asked, and what it answers: by the call, in turn. */
let calls: Call[] = [];
let answers: Record<string, { status: number; body: object }[]> = {};
const server = createServer((request, response) => {
  let text = '';
  request.on('data', (chunk: Buffer) => (text += chunk.toString()));
  request.on('end', () => {
    const call = `${request.method} ${request.url}`;
    const key = request.headers['idempotency-key'];
    calls.push({
      call,
      key: typeof key === 'string' ? key : undefined,
      form: Object.fromEntries(new URLSearchParams(text)),
    });
    const next = answers[call]?.shift() ?? { status: 404, body: { error: { message: `not expected: ${call}` } } };
    response.writeHead(next.status, { 'content-type': 'application/json' }).end(JSON.stringify(next.body));
  });
});
let stripe: PaymentProvider;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  stripe = createStripe({
    secret_key: 'sk_test_1',
    webhook_secret: WEBHOOK_SECRET,
    public_url: 'https://shop.test',
    api: { host: '127.0.0.1', port, protocol: 'http' },
  });
});
afterAll(() => new Promise((resolve) => server.close(resolve)));
beforeEach(() => {
  calls = [];
  answers = {};
});
const ok = (body: object) => ({ status: 200, body });

describe('a start', () => {
  const CREATE = 'POST /v1/checkout/sessions';
  const session = { id: 'cs_1', object: 'checkout.session', url: 'https://checkout.stripe.test/cs_1' };

  test('opens a Checkout session for the price of the order, under the name of the payment', async () => {
    answers[CREATE] = [ok(session)];
    expect(await stripe.start(PAYMENT)).toEqual({ provider_ref: 'cs_1', url: session.url });
    const [{ form, key }] = calls as [Call];
    expect(key).toBe('start-pay_1');
    expect(form).toMatchObject({
      mode: 'payment',
      client_reference_id: PAYMENT.order_no,
      'line_items[0][price_data][unit_amount]': '1999',
      'line_items[0][price_data][currency]': 'eur',
      'line_items[0][quantity]': '1',
      'metadata[payment_id]': 'pay_1',
      'payment_intent_data[metadata][payment_id]': 'pay_1',
      success_url: `https://shop.test/api/v1/orders/${PAYMENT.order_no}`,
    });
  });

  test('that is repeated says the very same, so that Stripe answers the same session', async () => {
    answers[CREATE] = [ok(session), ok(session)];
    await stripe.start(PAYMENT);
    await stripe.start(PAYMENT);
    expect(calls[1]).toEqual(calls[0]);
  });

  test('whose answer says to try again is made again under the same key', async () => {
    answers[CREATE] = [{ status: 503, body: { error: { message: 'busy' } } }, ok(session)];
    await stripe.start(PAYMENT);
    expect(calls.map(({ key }) => key)).toEqual(['start-pay_1', 'start-pay_1']);
  });
});

describe('a close', () => {
  const [READ, EXPIRE] = ['GET /v1/checkout/sessions/cs_1', 'POST /v1/checkout/sessions/cs_1/expire'];

  test('expires an open session by name', async () => {
    answers = { [READ]: [ok({ id: 'cs_1', status: 'open' })], [EXPIRE]: [ok({ id: 'cs_1', status: 'expired' })] };
    await stripe.expire(PAYMENT);
    expect(calls.map(({ call }) => call)).toEqual([READ, EXPIRE]);
  });

  test.each(['complete', 'expired'])('leaves a session alone that is %s', async (status) => {
    answers = { [READ]: [ok({ id: 'cs_1', status })] };
    await stripe.expire(PAYMENT);
    expect(calls.map(({ call }) => call)).toEqual([READ]);
  });

  test('asks nothing for a payment that Stripe never heard of', async () => {
    await stripe.expire({ ...PAYMENT, provider_ref: null });
    expect(calls).toEqual([]);
  });
});

describe('a refund', () => {
  const [READ, REFUND] = ['GET /v1/checkout/sessions/cs_1', 'POST /v1/refunds'];
  const paid = ok({ id: 'cs_1', status: 'complete', payment_intent: 'pi_1' });

  test('gives the whole payment back, under a key of its own', async () => {
    answers = { [READ]: [paid], [REFUND]: [ok({ id: 're_1' })] };
    await stripe.refund(PAYMENT);
    const form = { payment_intent: 'pi_1', 'metadata[payment_id]': 'pay_1' };
    expect(calls[1]).toEqual({ call: REFUND, key: 'refund-pay_1', form });
  });

  test('of what is refunded already is done', async () => {
    const refused = { error: { code: 'charge_already_refunded', type: 'invalid_request_error', message: 'again' } };
    answers = { [READ]: [paid], [REFUND]: [{ status: 400, body: refused }] };
    await expect(stripe.refund(PAYMENT)).resolves.toBeUndefined();
  });

  test('that Stripe refuses for another reason is to be made again', async () => {
    const refused = { error: { code: 'charge_disputed', type: 'invalid_request_error', message: 'no' } };
    answers = { [READ]: [paid], [REFUND]: [{ status: 400, body: refused }] };
    await expect(stripe.refund(PAYMENT)).rejects.toThrow('no');
  });
});

describe('a webhook', () => {
  const signed = (payload: string, secret = WEBHOOK_SECRET) => signedByStripe(payload, secret);
  const bodyOf = (type: string, object: object): string =>
    JSON.stringify({ id: 'evt_1', object: 'event', type, data: { object } });
  const verify = (payload: string, headers = signed(payload)) => stripe.verifyWebhook(Buffer.from(payload), headers);
  const metadata = { payment_id: 'pay_1' };

  test.each([
    ['checkout.session.completed', { payment_status: 'paid', metadata }, 'succeeded'],
    ['checkout.session.async_payment_succeeded', { metadata }, 'succeeded'],
    ['checkout.session.async_payment_failed', { metadata }, 'declined'],
    ['checkout.session.expired', { metadata }, 'declined'],
    ['charge.refunded', { refunded: true, metadata }, 'refunded'],
  ])('%s with %j is: %s', (type, object, kind) => {
    expect(verify(bodyOf(type, object))).toEqual({ event_id: 'evt_1', payment_id: 'pay_1', kind });
  });

  test.each([
    [
      'a completed session whose money is not there yet',
      'checkout.session.completed',
      { payment_status: 'unpaid', metadata },
    ],
    ['a part of a refund', 'charge.refunded', { refunded: false, metadata }],
    ['a session that is not ours', 'checkout.session.completed', { payment_status: 'paid', metadata: {} }],
    ['a charge without metadata', 'charge.refunded', { refunded: true, metadata: null }],
    ['something else', 'customer.created', {}],
  ])('of %s tells nothing of a payment', (_name, type, object) => {
    expect(verify(bodyOf(type, object))).toBeUndefined();
  });

  const body = bodyOf('checkout.session.completed', { payment_status: 'paid', metadata });
  test.each([
    ['no signature', {}],
    ['an empty one', { 'stripe-signature': '' }],
    ['another secret', signed(body, 'whsec_of_somebody_else')],
    ['a signature of another body', signed(`${body} `)],
    [
      'a signature of ten minutes ago',
      signedByStripe(body, WEBHOOK_SECRET, { timestamp: Math.floor(Date.now() / 1_000) - 600 }),
    ],
  ])('with %s is forged or played back', (_name, headers) => {
    expect(() => stripe.verifyWebhook(Buffer.from(body), headers)).toThrow(
      expect.objectContaining({ code: 'unauthenticated' }),
    );
  });

  test.each(['', '{', 'null', '{"type":"checkout.session.completed"}'])(
    'that is signed but no event is refused as that: %s',
    (payload) => {
      expect(() => verify(payload)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
    },
  );
});
