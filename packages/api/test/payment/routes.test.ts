import { createHmac } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../../../infra/src/services/ports.ts';
import { sharedTokenSecret } from '@flash-sale/shared/seckill-token/token-secrets-table.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { signedByStripe } from '@flash-sale/shared/testing/stripe-signature.ts';
import { ledgerOf, openPayment, placeOrder } from '@flash-sale/shared/testing/ordering.ts';
import { AS_OPERATOR, openApp, openTestApp } from '../../testing/support.ts';

const port = await freePort();
// The sandbox sends its webhooks here, over HTTP.
const url = `http://127.0.0.1:${port}`;
const { context, app } = await openTestApp({ PUBLIC_URL: url });
await app.server.listen({ host: '127.0.0.1', port });
const secret = await sharedTokenSecret(context.db);

const newOrder = async (): Promise<Order> => placeOrder(context, await context.openSale());
const signature = (body: string, timeMs = Date.now(), key = secret): string =>
  `${timeMs}.${createHmac('sha256', key).update(`sandbox ${timeMs}.${body}`).digest('hex')}`;
let events = 0;
const bodyOf = (paymentId: string, kind: string, eventId = `event-${(events += 1)}`): string =>
  JSON.stringify({ event_id: eventId, payment_id: paymentId, kind });
const sendEvent = (body: string, headers: Record<string, string> = { 'x-sandbox-signature': signature(body) }) =>
  app.server.inject({
    method: 'POST',
    url: '/api/v1/payments/webhook/sandbox',
    payload: body,
    headers: { 'content-type': 'application/json', ...headers },
  });
const ledger = (order: Order) => ledgerOf(context, order);

describe('POST /api/v1/payments/webhook/:provider', () => {
  it('applies an event once, however often it is sent', async () => {
    const order = await newOrder();
    const body = bodyOf(await openPayment(context, order.orderNo), 'succeeded');
    expect((await sendEvent(body)).json()).toEqual({ applied: true, outcome: 'applied' });
    expect((await sendEvent(body)).json()).toEqual({ applied: false, outcome: 'repeated' });
    expect(await ledger(order)).toMatchObject({ status: 'paid', version: 2 });
  });

  it.each([
    ['no signature', () => ({})],
    ['a signature of another body', () => ({ 'x-sandbox-signature': signature('another') })],
    ['another secret', (body: string) => ({ 'x-sandbox-signature': signature(body, Date.now(), 'guessed') })],
    ['an old signature', (body: string) => ({ 'x-sandbox-signature': signature(body, Date.now() - 600_000) })],
  ])('refuses %s, and nothing is paid', async (_name, headersOf) => {
    const order = await newOrder();
    const body = bodyOf(await openPayment(context, order.orderNo), 'succeeded');
    expect(await sendEvent(body, headersOf(body) as Record<string, string>)).toBeProblem('unauthenticated');
    expect(await ledger(order)).toMatchObject({ status: 'pending_payment', payments: ['started'] });
  });

  it('accepts a refund that arrives before its payment as the end of it: the order can be paid again', async () => {
    const order = await newOrder();
    const payment = await openPayment(context, order.orderNo);
    expect((await sendEvent(bodyOf(payment, 'refunded'))).json()).toEqual({ applied: true, outcome: 'applied' });
    expect((await sendEvent(bodyOf(payment, 'succeeded'))).json()).toEqual({ applied: false, outcome: 'repeated' });
    expect(await ledger(order)).toMatchObject({ status: 'pending_payment', payments: ['refunded'], sold: 1 });
    await sendEvent(bodyOf(await openPayment(context, order.orderNo), 'succeeded'));
    expect(await ledger(order)).toMatchObject({ status: 'paid' });
  });

  it('ignores a decline that arrives after the success', async () => {
    const order = await newOrder();
    const payment = await openPayment(context, order.orderNo);
    await sendEvent(bodyOf(payment, 'succeeded'));
    expect((await sendEvent(bodyOf(payment, 'declined'))).json()).toMatchObject({ outcome: 'repeated' });
    expect(await ledger(order)).toMatchObject({ status: 'paid', payments: ['succeeded'] });
  });

  it('refunds money that arrives for a cancelled order, which stays cancelled', async () => {
    const order = await newOrder();
    const payment = await openPayment(context, order.orderNo);
    await cancelOrder(context, order, { actor: 'shopper' });
    expect((await sendEvent(bodyOf(payment, 'succeeded'))).json()).toMatchObject({ outcome: 'applied' });
    expect(await ledger(order)).toMatchObject({ status: 'cancelled', payments: ['refund_pending'], sold: 0 });
  });

  const outcomes = async (outcome: string): Promise<number> => {
    const { values } = await app.deps.metrics.paymentEvents.get();
    return values.find(({ labels }) => labels.outcome === outcome)?.value ?? 0;
  };

  it.each([
    ['unknown_payment', () => bodyOf('pay_nobody', 'succeeded')],
    ['unreadable', () => bodyOf('ü', 'succeeded')],
    ['unreadable', () => bodyOf('pay_1', 'succeeded', 'é')],
    ['unreadable', () => 'null'],
    ['unreadable', () => '{'],
    ['unreadable', () => '{}'],
    ['other_kind', () => '{"event_id":"e","payment_id":"p","kind":"stolen"}'],
    ['not_ours', () => '{"event_id":"e","kind":"succeeded"}'],
  ])('answers 200 to what is signed and can never succeed, and counts it: %s', async (outcome, made) => {
    const before = await outcomes(outcome);
    const answer = await sendEvent(made());
    expect({ status: answer.statusCode, body: answer.json<object>() }).toEqual({
      status: 200,
      body: { applied: false, outcome },
    });
    expect(await outcomes(outcome)).toBe(before + 1);
  });

  it('answers 200 to an event of a sale that is being archived, and of a payment of another provider', async () => {
    const order = await newOrder();
    const payment = await openPayment(context, order.orderNo, 'stripe');
    expect((await sendEvent(bodyOf(payment, 'succeeded'))).json()).toMatchObject({ outcome: 'unknown_payment' });
    const archived = await newOrder();
    const late = await openPayment(context, archived.orderNo);
    await context.db
      .updateTable('products')
      .set({ archiving_at: new Date() })
      .where('id', '=', archived.productId)
      .execute();
    expect((await sendEvent(bodyOf(late, 'succeeded'))).json()).toMatchObject({ outcome: 'unknown_payment' });
  });

  it.each([
    ['amount', { amount: 1_998, currency: 'CNY' }],
    ['currency', { amount: 1_999, currency: 'JPY' }],
  ])('does not take a payment of another %s for paid: it is noted, counted and goes back', async (_name, received) => {
    const order = await newOrder();
    const paymentId = await openPayment(context, order.orderNo);
    const before = await outcomes('wrong_amount');
    const body = JSON.stringify({ event_id: `wrong-${paymentId}`, payment_id: paymentId, kind: 'succeeded', received });
    expect((await sendEvent(body)).json()).toEqual({ applied: true, outcome: 'wrong_amount' });
    expect((await sendEvent(body)).json()).toEqual({ applied: false, outcome: 'repeated' });
    expect(await outcomes('wrong_amount')).toBe(before + 1);
    expect(await ledger(order)).toMatchObject({ status: 'pending_payment', payments: ['refund_pending'], sold: 1 });
    const file = await app.get(`/api/v1/admin/orders/${order.orderNo}`, AS_OPERATOR);
    expect(file.json()).toMatchObject({
      payments: [{ note: `Received ${received.amount} ${received.currency} in its smallest unit instead of 1999 CNY` }],
    });
  });

  it('answers 404 for a provider that is not ours', async () => {
    expect(await app.post('/api/v1/payments/webhook/stripe', {})).toBeProblem('not_found');
    expect(await app.post('/api/v1/payments/webhook/other', {})).toBeProblem('not_found');
  });

  it('refuses a missing body and one that is too large, for any stated type', async () => {
    expect(await app.post('/api/v1/payments/webhook/sandbox')).toBeProblem('invalid_request');
    for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
      expect(await sendEvent('x'.repeat(1_100_000), { 'content-type': type })).toBeProblem('payload_too_large');
      // A large one of another application is not for us to refuse.
      const large = JSON.stringify({ kind: 'invoice', lines: 'x'.repeat(300_000) });
      const headers = { 'content-type': type, 'x-sandbox-signature': signature(large) };
      expect((await sendEvent(large, headers)).json()).toMatchObject({ outcome: 'other_kind' });
    }
  });

  it('accepts the bytes unchanged, with any media type and none', async () => {
    const order = await newOrder();
    const body = `  ${bodyOf(await openPayment(context, order.orderNo), 'succeeded')}\n`;
    const headers = { 'x-sandbox-signature': signature(body), 'content-type': 'text/plain; charset=utf-8' };
    expect((await sendEvent(body, headers)).json()).toMatchObject({ outcome: 'applied' });
    const again = await fetch(`${url}/api/v1/payments/webhook/sandbox`, {
      method: 'POST',
      headers: { 'x-sandbox-signature': signature(body) },
      body: Buffer.from(body),
    });
    expect(await again.json()).toMatchObject({ outcome: 'repeated' });
  });

  it('is answered 405 with another method', async () => {
    expect(await app.get('/api/v1/payments/webhook/sandbox')).toBeProblem('method_not_allowed');
  });
});

describe('the sandbox over HTTP', () => {
  const pay = async (order: Order, sandbox: string): Promise<void> => {
    const answer = await fetch(`${url}/api/v1/orders/${order.orderNo}/pay`, {
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
      .where('order_no', '=', order.orderNo)
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
    const answer = await fetch(`${url}/api/v1/orders/${order.orderNo}`);
    expect(await answer.json()).toMatchObject({ status });
  });

  it('that is late pays an order that is closed by then: the money is refunded, and the order stays closed', async () => {
    const order = await newOrder();
    await pay(order, 'late');
    expect(await app.post(`/api/v1/orders/${order.orderNo}/cancel`, { user_id: 'alice' })).toMatchObject({
      statusCode: 200,
    });
    await expect.poll(() => told(order), { timeout: 10_000 }).toEqual(['succeeded']);
    expect(await ledger(order)).toMatchObject({ status: 'cancelled', payments: ['refund_pending'], sold: 0 });
    const { payment_id: paymentId } = await context.db
      .selectFrom('payments')
      .select('payment_id')
      .where('order_no', '=', order.orderNo)
      .executeTakeFirstOrThrow();
    await app.deps.providers.current.refund({ paymentId } as never);
    await expect.poll(async () => (await ledger(order)).payments, { timeout: 10_000 }).toEqual(['refunded']);
    expect(await ledger(order)).toMatchObject({ status: 'cancelled', version: 2 });
  });
});

it('a webhook of Stripe is applied after the change to another provider, as long as the secrets of Stripe are set', async () => {
  const webhookSecret = 'whsec_of_a_former_provider';
  const secrets = { STRIPE_SECRET_KEY: 'sk_test_1', STRIPE_WEBHOOK_SECRET: webhookSecret };
  const switched = await openApp(context, { PAYMENT_PROVIDER: 'sandbox', ...secrets });
  onTestFinished(() => switched.close());
  const order = await newOrder();
  const paymentId = await openPayment(context, order.orderNo, 'stripe');
  const payload = JSON.stringify({
    id: 'evt_former',
    object: 'event',
    type: 'checkout.session.completed',
    data: {
      object: {
        object: 'checkout.session',
        id: 'cs_former',
        payment_status: 'paid',
        amount_total: order.priceCents,
        currency: 'cny',
        metadata: { flash_sale_payment_id: paymentId },
      },
    },
  });
  const answer = await switched.server.inject({
    method: 'POST',
    url: '/api/v1/payments/webhook/stripe',
    payload,
    headers: { 'content-type': 'application/json', ...signedByStripe(payload, webhookSecret) },
  });
  expect(answer.json()).toEqual({ applied: true, outcome: 'applied' });
  expect(await ledger(order)).toMatchObject({ status: 'paid' });
});

it('with stripe an order is paid by a webhook that carries Stripe’s own signature, and by no other', async () => {
  const webhookSecret = 'whsec_of_this_test';
  const stripe = await openApp(context, {
    PAYMENT_PROVIDER: 'stripe',
    STRIPE_SECRET_KEY: 'sk_test_1',
    STRIPE_WEBHOOK_SECRET: webhookSecret,
  });
  onTestFinished(() => stripe.close());
  const order = await newOrder();
  const paymentId = await openPayment(context, order.orderNo, 'stripe');
  const metadata = { flash_sale_payment_id: paymentId };
  const object = { payment_status: 'paid', amount_total: 1_999, currency: 'cny', metadata };
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
  const longAgo = { timestamp: Math.floor(Date.now() / 1_000) - 600 };

  expect(await send('whsec_guessed')).toBeProblem('unauthenticated');
  expect(await send(webhookSecret, longAgo)).toBeProblem('unauthenticated');
  expect(await ledger(order)).toMatchObject({ status: 'pending_payment' });
  expect((await send(webhookSecret)).json()).toMatchObject({ outcome: 'applied' });
  expect((await send(webhookSecret)).json()).toMatchObject({ outcome: 'repeated' });
  expect(await ledger(order)).toMatchObject({ status: 'paid', payments: ['succeeded'] });
});
