import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../../../../infra/src/services/ports.ts';
import { sharedTokenSecret } from '@flash-sale/shared/db/token-secrets.ts';
import type { Order } from '@flash-sale/shared/domain/order.ts';
import { cancelOrder } from '@flash-sale/shared/order/moves.ts';
import { signedByStripe } from '../../../../shared/test/payment/stripe-signature.ts';
import { ledgerOf, openPayment, placeOrder } from '../../../../shared/test/ordering.ts';
import { openApp, openTestContext, type TestApp, type TestContext } from '../../support.ts';

let context: TestContext;
let app: TestApp;
let url: string;
let secret: string;
beforeAll(async () => {
  context = await openTestContext();
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  // The sandbox sends its webhooks here, over HTTP.
  app = await openApp(context, { PUBLIC_URL: url });
  await app.server.listen({ host: '127.0.0.1', port });
  secret = await sharedTokenSecret(context.db);
});
afterAll(async () => {
  await app.close();
  await context.close();
});

const newOrder = async (): Promise<Order> => placeOrder(context, await context.openSale());
const signature = (body: string, time_ms = Date.now(), key = secret): string =>
  `${time_ms}.${createHmac('sha256', key).update(`sandbox ${time_ms}.${body}`).digest('hex')}`;
let events = 0;
const bodyOf = (payment_id: string, kind: string, event_id = `event-${(events += 1)}`): string =>
  JSON.stringify({ event_id, payment_id, kind });
const sendEvent = (body: string, headers: Record<string, string> = { 'x-sandbox-signature': signature(body) }) =>
  app.server.inject({
    method: 'POST',
    url: '/api/v1/payments/webhook/sandbox',
    payload: body,
    headers: { 'content-type': 'application/json', ...headers },
  });
const ledger = (order: Order) => ledgerOf(context, order);

describe('POST /api/v1/payments/webhook/:provider', () => {
  it('applies an event once, however often it comes', async () => {
    const order = await newOrder();
    const body = bodyOf(await openPayment(context, order.order_no), 'succeeded');
    expect((await sendEvent(body)).json()).toEqual({ applied: true });
    expect((await sendEvent(body)).json()).toEqual({ applied: false });
    expect(await ledger(order)).toMatchObject({ status: 'paid', version: 2 });
  });

  it.each([
    ['no signature', () => ({})],
    ['a signature of another body', () => ({ 'x-sandbox-signature': signature('another') })],
    ['another secret', (body: string) => ({ 'x-sandbox-signature': signature(body, Date.now(), 'guessed') })],
    ['an old signature', (body: string) => ({ 'x-sandbox-signature': signature(body, Date.now() - 600_000) })],
  ])('refuses %s, and nothing is paid', async (_name, headersOf) => {
    const order = await newOrder();
    const body = bodyOf(await openPayment(context, order.order_no), 'succeeded');
    expect(await sendEvent(body, headersOf(body) as Record<string, string>)).toBeProblem('unauthenticated');
    expect(await ledger(order)).toMatchObject({ status: 'pending_payment', payments: ['started'] });
  });

  it('asks the provider to come again with a refund that comes before its payment, and applies it then', async () => {
    const order = await newOrder();
    const payment = await openPayment(context, order.order_no);
    const refund = bodyOf(payment, 'refunded');
    expect(await sendEvent(refund)).toBeProblem('invalid_state');
    await sendEvent(bodyOf(payment, 'succeeded'));
    expect((await sendEvent(refund)).json()).toEqual({ applied: true });
    expect(await ledger(order)).toMatchObject({ status: 'refunded', payments: ['refunded'], sold: 0 });
  });

  it('takes a decline that comes after the success as old news', async () => {
    const order = await newOrder();
    const payment = await openPayment(context, order.order_no);
    await sendEvent(bodyOf(payment, 'succeeded'));
    expect((await sendEvent(bodyOf(payment, 'declined'))).json()).toEqual({ applied: false });
    expect(await ledger(order)).toMatchObject({ status: 'paid', payments: ['succeeded'] });
  });

  it('has money given back that comes for a cancelled order, which stays cancelled', async () => {
    const order = await newOrder();
    const payment = await openPayment(context, order.order_no);
    await cancelOrder(context, order, { actor: 'shopper' });
    expect((await sendEvent(bodyOf(payment, 'succeeded'))).json()).toEqual({ applied: true });
    expect(await ledger(order)).toMatchObject({ status: 'cancelled', payments: ['refund_pending'], sold: 0 });
  });

  it('says 404 of a payment that nobody knows, and of a provider that is not ours', async () => {
    expect(await sendEvent(bodyOf('pay_unknown', 'succeeded'))).toBeProblem('not_found');
    expect(await app.post('/api/v1/payments/webhook/stripe', {})).toBeProblem('not_found');
    expect(await app.post('/api/v1/payments/webhook/other', {})).toBeProblem('not_found');
  });

  it.each(['null', '{', '{}', '{"event_id":"e","payment_id":"p","kind":"stolen"}'])(
    'refuses a signed body that is no event: %s',
    async (body) => {
      expect(await sendEvent(body)).toBeProblem('invalid_request');
    },
  );

  it('refuses a missing body and one that is too large, whatever it claims to be', async () => {
    expect(await app.post('/api/v1/payments/webhook/sandbox')).toBeProblem('invalid_request');
    for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
      expect(await sendEvent('x'.repeat(70_000), { 'content-type': type })).toBeProblem('payload_too_large');
    }
  });

  it('takes the bytes as they came, under any media type and none', async () => {
    const order = await newOrder();
    const body = `  ${bodyOf(await openPayment(context, order.order_no), 'succeeded')}\n`;
    const headers = { 'x-sandbox-signature': signature(body), 'content-type': 'text/plain; charset=utf-8' };
    expect((await sendEvent(body, headers)).json()).toEqual({ applied: true });
    const again = await fetch(`${url}/api/v1/payments/webhook/sandbox`, {
      method: 'POST',
      headers: { 'x-sandbox-signature': signature(body) },
      body: Buffer.from(body),
    });
    expect(await again.json()).toEqual({ applied: false });
  });

  it('is answered 405 under another method', async () => {
    expect(await app.get('/api/v1/payments/webhook/sandbox')).toBeProblem('method_not_allowed');
  });
});

describe('the sandbox over HTTP', () => {
  const pay = async (order: Order, sandbox: string): Promise<void> => {
    const answer = await fetch(`${url}/api/v1/orders/${order.order_no}/pay`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user_id: 'alice', sandbox }),
    });
    expect(answer.status).toBe(200);
  };
  const told = (order: Order) =>
    context.db
      .selectFrom('payment_events')
      .innerJoin('payments', 'payments.payment_id', 'payment_events.payment_id')
      .select('kind')
      .where('order_no', '=', order.order_no)
      .orderBy('payment_events.created_at')
      .execute()
      .then((rows) => rows.map(({ kind }) => kind));

  it.each([
    { sandbox: 'pay', events: ['succeeded'], status: 'paid', payment: 'succeeded' },
    { sandbox: 'decline', events: ['declined'], status: 'pending_payment', payment: 'declined' },
    { sandbox: 'twice', events: ['succeeded'], status: 'paid', payment: 'succeeded' },
    { sandbox: 'out_of_order', events: ['succeeded', 'declined'], status: 'paid', payment: 'succeeded' },
  ])('asked to $sandbox leaves the order $status', async ({ sandbox, events: kinds, status, payment }) => {
    const order = await newOrder();
    await pay(order, sandbox);
    await expect.poll(() => told(order), { timeout: 10_000 }).toEqual(kinds);
    expect(await ledger(order)).toMatchObject({ status, payments: [payment] });
    const answer = await fetch(`${url}/api/v1/orders/${order.order_no}`);
    expect(await answer.json()).toMatchObject({ status });
  });

  it('asked to be late pays an order that is closed by then: the money goes back, the order stays closed', async () => {
    const order = await newOrder();
    await pay(order, 'late');
    expect(await app.post(`/api/v1/orders/${order.order_no}/cancel`, { user_id: 'alice' })).toMatchObject({
      statusCode: 200,
    });
    await expect.poll(() => told(order), { timeout: 10_000 }).toEqual(['succeeded']);
    expect(await ledger(order)).toMatchObject({ status: 'cancelled', payments: ['refund_pending'], sold: 0 });
    const { payment_id } = await context.db
      .selectFrom('payments')
      .select('payment_id')
      .where('order_no', '=', order.order_no)
      .executeTakeFirstOrThrow();
    await app.deps.provider.refund({ payment_id } as never);
    await expect.poll(async () => (await ledger(order)).payments, { timeout: 10_000 }).toEqual(['refunded']);
    expect(await ledger(order)).toMatchObject({ status: 'cancelled', version: 2 });
  });
});

it('with stripe an order is paid by a webhook that carries Stripe’s own signature, and by no other', async () => {
  const webhook_secret = 'whsec_of_this_test';
  const stripe = await openApp(context, {
    PAYMENT_PROVIDER: 'stripe',
    STRIPE_SECRET_KEY: 'sk_test_1',
    STRIPE_WEBHOOK_SECRET: webhook_secret,
  });
  onTestFinished(() => stripe.close());
  const order = await newOrder();
  const payment_id = await openPayment(context, order.order_no, 'stripe');
  const object = { payment_status: 'paid', metadata: { payment_id } };
  const payload = JSON.stringify({
    id: 'evt_1',
    object: 'event',
    type: 'checkout.session.completed',
    data: { object },
  });
  const send = (key: string, options?: { timestamp: number }) =>
    stripe.server.inject({
      method: 'POST',
      url: '/api/v1/payments/webhook/stripe',
      payload,
      headers: { 'content-type': 'application/json; charset=utf-8', ...signedByStripe(payload, key, options) },
    });
  const long_ago = { timestamp: Math.floor(Date.now() / 1_000) - 600 };

  expect(await send('whsec_guessed')).toBeProblem('unauthenticated');
  expect(await send(webhook_secret, long_ago)).toBeProblem('unauthenticated');
  expect(await ledger(order)).toMatchObject({ status: 'pending_payment' });
  expect((await send(webhook_secret)).json()).toEqual({ applied: true });
  expect((await send(webhook_secret)).json()).toEqual({ applied: false });
  expect(await ledger(order)).toMatchObject({ status: 'paid', payments: ['succeeded'] });
});
