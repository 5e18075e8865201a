import { describe, expect, it } from 'vitest';
import { duePayments } from '@flash-sale/shared/payment/payment-calls-table.ts';
import { findPayment } from '@flash-sale/shared/payment/payments-table.ts';
import { cancelOrder, expireOrders } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { paymentProviders, ProviderFault, type PaymentAnswer } from '@flash-sale/shared/payment/provider.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { ledgerOf, openPayment } from '@flash-sale/shared/testing/ordering.ts';
import { openTestApp } from '../../testing/support.ts';
import { StubProvider, cancel, newOrder, orderIn, pay, poll, tell } from './orders-in.ts';

const provider = new StubProvider();
/** PAYMENT_PROVIDER was changed from this one. */
const former = new StubProvider('stripe');
const { context, app } = await openTestApp({ CURRENCY: 'EUR' }, { providers: paymentProviders(provider, former) });

describe('POST /api/v1/orders/:orderNo/pay', () => {
  it('returns the next step for the shopper, the amount, the currency and the deadline', async () => {
    const order = await newOrder(context);
    const answer = await pay(app, order);
    expect(answer.statusCode).toBe(200);
    const { payment_id: paymentId } = answer.json<{ payment_id: string }>();
    expect(answer.json()).toEqual({
      payment_id: paymentId,
      provider: 'sandbox',
      amount: 10.5,
      currency: 'EUR',
      next: { action: 'redirect', url: `https://pay.test/${paymentId}` },
      expires_at: new Date(order.expiresAtMs!).toISOString(),
    });
  });

  it('repeated, also in parallel, is one payment, which the provider starts after it is stored', async () => {
    const order = await newOrder(context);
    const answers = await Promise.all(Array.from({ length: 6 }, () => pay(app, order)));
    const ids = new Set(answers.map((answer) => answer.json<{ payment_id: string }>().payment_id));
    expect({ ids: ids.size, statuses: new Set(answers.map(({ statusCode }) => statusCode)) }).toEqual({
      ids: 1,
      statuses: new Set([200]),
    });
    const before = provider.started.length;
    expect((await pay(app, order)).json()).toEqual(answers[0]!.json());
    expect(provider.started).toHaveLength(before);
    expect((await ledgerOf(context, order)).payments).toEqual(['started']);
  });

  it('opens another payment after one was declined', async () => {
    const order = await newOrder(context);
    const first = (await pay(app, order)).json<{ payment_id: string }>().payment_id;
    await tell(context, first, 'declined');
    const second = (await pay(app, order)).json<{ payment_id: string }>().payment_id;
    expect(second).not.toBe(first);
    expect((await ledgerOf(context, order)).payments).toEqual(['declined', 'started']);
  });

  it('ends an open payment of the provider before a change of PAYMENT_PROVIDER, and opens one with the new provider', async () => {
    const order = await newOrder(context);
    const paymentId = await openPayment(context, order.orderNo, 'stripe');
    expect((await pay(app, order)).json()).toMatchObject({ provider: 'sandbox' });
    expect(former.ended).toContain(paymentId);
    expect((await ledgerOf(context, order)).payments).toEqual(['declined', 'started']);
  });

  it.each<[string, 'stripe' | 'unknown', () => Promise<PaymentAnswer>]>([
    [
      'has the money',
      'stripe',
      () => Promise.resolve({ now: 'succeeded', received: { amount: 1_050, currency: 'EUR' } }),
    ],
    ['waits for the bank', 'stripe', () => Promise.resolve({ now: 'waiting' })],
    ['does not answer', 'stripe', () => Promise.reject(new ProviderFault('unanswered', 'timed out'))],
    ['has no secrets any more', 'unknown', () => Promise.resolve({ now: 'declined' })],
  ])('opens no second payment while the former provider %s: the shopper could pay twice', async (_, name, endsAs) => {
    const order = await newOrder(context);
    await openPayment(context, order.orderNo, name);
    former.endsAs = endsAs;
    const started = provider.started.length;
    expect(await pay(app, order)).toBeProblem('unavailable');
    expect([provider.started.length, (await ledgerOf(context, order)).payments]).toEqual([started, ['started']]);
  });

  it.each(['refunded', 'cancelled'] as const)('is refused for an order that is %s', async (status) => {
    const answer = await pay(app, await orderIn(context, status));
    expect(answer).toBeProblem('invalid_state');
    expect(answer.json()).toMatchObject({ detail: `The order is ${status}` });
  });

  it('repeated after the order is paid is a success for a caller who missed that: there is nothing to do (promise 8)', async () => {
    const order = await newOrder(context);
    const { payment_id: paymentId } = (await pay(app, order)).json<{ payment_id: string }>();
    await tell(context, paymentId, 'succeeded');
    const again = await pay(app, order);
    expect([again.statusCode, again.json()]).toEqual([
      200,
      { payment_id: paymentId, provider: 'sandbox', amount: 10.5, currency: 'EUR', next: { action: 'none' } },
    ]);
    expect((await ledgerOf(context, order)).payments).toEqual(['succeeded']);
    expect(await pay(app, order, { user_id: 'mallory' })).toBeProblem('not_found');
  });

  it('is a success if the provider’s event is faster than its answer: it was once refused as paid', async () => {
    const order = await newOrder(context);
    provider.meanwhile = async () => {
      provider.meanwhile = () => Promise.resolve();
      await tell(context, provider.started.at(-1)!, 'succeeded');
    };
    const answer = await pay(app, order);
    expect([answer.statusCode, answer.json()]).toMatchObject([200, { next: { action: 'none' } }]);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', payments: ['succeeded'] });
  });

  it('reports a decline that comes before the provider’s answer, and another payment can be started', async () => {
    const order = await newOrder(context);
    provider.meanwhile = async () => {
      provider.meanwhile = () => Promise.resolve();
      await tell(context, provider.started.at(-1)!, 'declined');
    };
    expect((await pay(app, order)).json()).toMatchObject({
      code: 'invalid_state',
      detail: 'The payment was declined. You can start another one',
    });
    expect((await pay(app, order)).statusCode).toBe(200);
  });

  it.each([
    ['and is not swept yet', () => Promise.resolve(0)],
    ['and with an open payment', async ({ orderNo }: Order) => openPayment(context, orderNo)],
    ['and is expired', (order: Order) => expireOrders(context, order.productId, [order.orderNo])],
  ])('that comes too late %s says that the time to pay is over, and since when', async (_, meanwhile) => {
    const order = await newOrder(context);
    await meanwhile(order);
    const expiresAt = new Date(Date.now() - 1_000);
    await context.db
      .updateTable('orders')
      .set({ expires_at: expiresAt })
      .where('order_no', '=', order.orderNo)
      .execute();
    const { payments } = await ledgerOf(context, order);
    const answer = await pay(app, order);
    expect(answer).toBeProblem('invalid_state');
    expect(answer.json()).toMatchObject({ detail: `The time to pay ended at ${expiresAt.toISOString()}` });
    expect((await ledgerOf(context, order)).payments).toEqual(payments);
  });

  it('is refused for a closed order even while its payment is still open at the provider', async () => {
    const order = await newOrder(context);
    await pay(app, order);
    await cancelOrder(context, order, { actor: 'shopper' });
    expect((await ledgerOf(context, order)).payments).toEqual(['started']);
    expect(await pay(app, order)).toBeProblem('invalid_state');
  });

  it('is refused for an order that is still queued', async () => {
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'alice');
    const answer = await pay(app, { orderNo });
    expect(answer).toBeProblem('invalid_state');
    expect(answer.json()).toMatchObject({ detail: 'The order is queued' });
  });

  it.each([
    ['still open', () => Promise.resolve()],
    ['given up meanwhile, since it had no name yet', (id: string) => tell(context, id, 'declined')],
  ])(
    'has its payment ended at the provider if the order closed while the payment was started: %s',
    async (_name, do_) => {
      const order = await newOrder(context);
      provider.meanwhile = async () => {
        provider.meanwhile = () => Promise.resolve();
        await cancelOrder(context, order, { actor: 'shopper' });
        await do_(provider.started.at(-1)!);
      };
      const answer = await pay(app, order);
      expect(answer).toBeProblem('invalid_state');
      expect(answer.json()).toMatchObject({ detail: 'The order is cancelled' });
      const paymentId = provider.started.at(-1)!;
      expect(await duePayments(context.db, 100)).toContainEqual(
        expect.objectContaining({ paymentId, providerRef: `ref-${paymentId}` }),
      );
    },
  );

  it.each([
    ['does not let us in', new ProviderFault('refused', 'Invalid API Key provided: sk_live_1234'), 0],
    ['has no answer', new ProviderFault('failed', 'timed out: sk_live_1234'), 0],
    ['may keep its error for a day', new ProviderFault('failed', 'sk_live_1234', { mayBeKept: true }), 1],
    ['fails as nobody foresaw', new Error('sk_live_1234'), 0],
  ])('answers 503, without details, if the provider %s; the next try pays', async (_name, fault, keyNo) => {
    const order = await newOrder(context);
    provider.meanwhile = () => {
      provider.meanwhile = () => Promise.resolve();
      return Promise.reject(fault);
    };
    const answer = await pay(app, order);
    expect(answer).toBeProblem('unavailable');
    expect(answer.headers['retry-after']).toBeDefined();
    expect(answer.body).not.toContain('sk_live');
    const failed = provider.started.at(-1);
    expect((await pay(app, order)).json()).toMatchObject({ payment_id: failed });
    // A new call, if the old one would get the same answer.
    expect(await findPayment(context.db, failed!)).toMatchObject({ keyNo });
  });

  it('leads to one payment page, whatever the provider answers to parallel starts', async () => {
    const order = await newOrder(context);
    const plain = provider.start.bind(provider);
    let starts = 0;
    const { promise: severalStart, resolve } = Promise.withResolvers<void>();
    provider.start = async (payment) => {
      const url = `https://pay.test/${(starts += 1)}`;
      if (starts > 1) resolve();
      await severalStart;
      return { ...(await plain(payment)), url };
    };
    const answers = await Promise.all(Array.from({ length: 4 }, () => pay(app, order)));
    provider.start = plain;
    const urls = answers.map((answer) => answer.json<{ next: { url: string } }>().next.url);
    expect(new Set(urls).size).toBe(1);
    expect(starts).toBeGreaterThan(1);
  });

  it('shows the order to its owner only, and accepts valid bodies only', async () => {
    const order = await newOrder(context);
    for (const call of [pay, cancel]) {
      expect(await call(app, order, { user_id: 'mallory' })).toBeProblem('not_found');
      expect(await call(app, { orderNo: '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-999999' })).toBeProblem('not_found');
      expect(await call(app, { orderNo: 'nonsense' })).toBeProblem('not_found');
      expect(await call(app, order, {})).toBeProblem('invalid_request');
      expect(await call(app, order, { user_id: 'alice', more: 1 })).toBeProblem('invalid_request');
    }
    expect(await pay(app, order, { user_id: 'alice', sandbox: 'steal' })).toBeProblem('invalid_request');
    expect(await poll(app, order)).toMatchObject({ status: 'pending_payment' });
  });
});
