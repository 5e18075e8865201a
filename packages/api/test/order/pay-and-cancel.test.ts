import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { duePayments } from '@flash-sale/shared/payment/payment-calls-table.ts';
import { findPayment } from '@flash-sale/shared/payment/payments-table.ts';
import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { cancelOrder, expireOrders } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import {
  ProviderFault,
  type PaymentAnswer,
  type PaymentProvider,
  type Webhook,
} from '@flash-sale/shared/payment/provider.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { takeLease } from '@flash-sale/shared/testing/buying.ts';
import { ledgerOf, openPayment, placeOrder } from '@flash-sale/shared/testing/ordering.ts';
import { openApp, openTestContext, type TestApp, type TestContext } from '../../testing/support.ts';
import { batchNoOf } from '@flash-sale/shared/order/order-number.ts';
import { settledLineOf } from '@flash-sale/shared/order/settled-record.ts';

/** A provider whose pages and refunds cost nothing, and which may fail or be slow on purpose. */
class StubProvider implements PaymentProvider {
  readonly name = 'sandbox';
  readonly started: string[] = [];
  meanwhile: () => Promise<void> = () => Promise.resolve();

  async start({ paymentId }: { paymentId: string }) {
    this.started.push(paymentId);
    await this.meanwhile();
    return { providerRef: `ref-${paymentId}`, url: `https://pay.test/${paymentId}` };
  }
  verifyWebhook(): Promise<Webhook> {
    return Promise.resolve({ ignored: 'unreadable' });
  }
  read(): Promise<PaymentAnswer> {
    return Promise.resolve({ now: 'open' });
  }
  refund(): Promise<PaymentAnswer> {
    return Promise.resolve({ now: 'refunded' });
  }
  expire(): Promise<PaymentAnswer> {
    return Promise.resolve({ now: 'declined' });
  }
}

let context: TestContext;
let provider: StubProvider;
let app: TestApp;
beforeAll(async () => {
  context = await openTestContext();
  provider = new StubProvider();
  app = await openApp(context, { CURRENCY: 'EUR' }, { provider });
});
afterAll(async () => {
  await app.close();
  await context.close();
});

const pay = ({ orderNo }: Pick<Order, 'orderNo'>, body: object = { user_id: 'alice' }) =>
  app.post(`/api/v1/orders/${orderNo}/pay`, body);
const cancel = ({ orderNo }: Pick<Order, 'orderNo'>, body: object = { user_id: 'alice' }) =>
  app.post(`/api/v1/orders/${orderNo}/cancel`, body);
const poll = async ({ orderNo }: Order) => (await app.get(`/api/v1/orders/${orderNo}`)).json<{ status: string }>();
const newOrder = async (): Promise<Order> => placeOrder(context, await context.openSale({ priceCents: 1_050 }));
let events = 0;
const tell = (paymentId: string, kind: 'succeeded' | 'declined' | 'refunded') =>
  applyPaymentEvent(context, 'sandbox', { eventId: `e${(events += 1)}`, paymentId, kind });

/** An order in that state, and what its refusals call it. */
async function orderIn(status: 'paid' | 'refunded' | 'cancelled' | 'expired'): Promise<Order> {
  const order = await newOrder();
  if (status === 'cancelled') await cancelOrder(context, order, { actor: 'shopper' });
  if (status === 'expired') await expireOrders(context, order.productId, [order.orderNo]);
  if (status === 'paid' || status === 'refunded') {
    const payment = await openPayment(context, order.orderNo);
    await tell(payment, 'succeeded');
    if (status === 'refunded') await tell(payment, 'refunded');
  }
  return order;
}

describe('POST /api/v1/orders/:orderNo/pay', () => {
  it('returns the next step for the shopper, the amount, the currency and the deadline', async () => {
    const order = await newOrder();
    const answer = await pay(order);
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
    const order = await newOrder();
    const answers = await Promise.all(Array.from({ length: 6 }, () => pay(order)));
    const ids = new Set(answers.map((answer) => answer.json<{ payment_id: string }>().payment_id));
    expect({ ids: ids.size, statuses: new Set(answers.map(({ statusCode }) => statusCode)) }).toEqual({
      ids: 1,
      statuses: new Set([200]),
    });
    const before = provider.started.length;
    expect((await pay(order)).json()).toEqual(answers[0]!.json());
    expect(provider.started).toHaveLength(before);
    expect((await ledgerOf(context, order)).payments).toEqual(['started']);
  });

  it('opens another payment after one was declined', async () => {
    const order = await newOrder();
    const first = (await pay(order)).json<{ payment_id: string }>().payment_id;
    await tell(first, 'declined');
    const second = (await pay(order)).json<{ payment_id: string }>().payment_id;
    expect(second).not.toBe(first);
    expect((await ledgerOf(context, order)).payments).toEqual(['declined', 'started']);
  });

  it('opens another payment if the open one belongs to a provider that the service no longer uses', async () => {
    const order = await newOrder();
    await openPayment(context, order.orderNo, 'stripe');
    expect((await pay(order)).json()).toMatchObject({ provider: 'sandbox' });
    expect((await ledgerOf(context, order)).payments).toEqual(['declined', 'started']);
  });

  it.each(['refunded', 'cancelled'] as const)('is refused for an order that is %s', async (status) => {
    const answer = await pay(await orderIn(status));
    expect(answer).toBeProblem('invalid_state');
    expect(answer.json()).toMatchObject({ detail: `The order is ${status}` });
  });

  it('repeated after the order is paid is a success for a caller who missed that: there is nothing to do (promise 8)', async () => {
    const order = await newOrder();
    const { payment_id: paymentId } = (await pay(order)).json<{ payment_id: string }>();
    await tell(paymentId, 'succeeded');
    const again = await pay(order);
    expect([again.statusCode, again.json()]).toEqual([
      200,
      { payment_id: paymentId, provider: 'sandbox', amount: 10.5, currency: 'EUR', next: { action: 'none' } },
    ]);
    expect((await ledgerOf(context, order)).payments).toEqual(['succeeded']);
    expect(await pay(order, { user_id: 'mallory' })).toBeProblem('not_found');
  });

  it('is a success if the provider’s event is faster than its answer: it was once refused as paid', async () => {
    const order = await newOrder();
    provider.meanwhile = async () => {
      provider.meanwhile = () => Promise.resolve();
      await tell(provider.started.at(-1)!, 'succeeded');
    };
    const answer = await pay(order);
    expect([answer.statusCode, answer.json()]).toMatchObject([200, { next: { action: 'none' } }]);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', payments: ['succeeded'] });
  });

  it('reports it if the provider declined before it answered, and another payment can be started', async () => {
    const order = await newOrder();
    provider.meanwhile = async () => {
      provider.meanwhile = () => Promise.resolve();
      await tell(provider.started.at(-1)!, 'declined');
    };
    expect((await pay(order)).json()).toMatchObject({
      code: 'invalid_state',
      detail: 'The payment was declined. You can start another one',
    });
    expect((await pay(order)).statusCode).toBe(200);
  });

  it.each([
    ['and is not swept yet', () => Promise.resolve(0)],
    ['and with an open payment', async ({ orderNo }: Order) => openPayment(context, orderNo)],
    ['and is expired', (order: Order) => expireOrders(context, order.productId, [order.orderNo])],
  ])('that comes too late %s says that the time to pay is over, and since when', async (_, meanwhile) => {
    const order = await newOrder();
    await meanwhile(order);
    const expiresAt = new Date(Date.now() - 1_000);
    await context.db
      .updateTable('orders')
      .set({ expires_at: expiresAt })
      .where('order_no', '=', order.orderNo)
      .execute();
    const { payments } = await ledgerOf(context, order);
    const answer = await pay(order);
    expect(answer).toBeProblem('invalid_state');
    expect(answer.json()).toMatchObject({ detail: `The time to pay ended at ${expiresAt.toISOString()}` });
    expect((await ledgerOf(context, order)).payments).toEqual(payments);
  });

  it('is refused for a closed order even while its payment is still open at the provider', async () => {
    const order = await newOrder();
    await pay(order);
    await cancelOrder(context, order, { actor: 'shopper' });
    expect((await ledgerOf(context, order)).payments).toEqual(['started']);
    expect(await pay(order)).toBeProblem('invalid_state');
  });

  it('is refused for an order that is still queued', async () => {
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'alice');
    const answer = await pay({ orderNo });
    expect(answer).toBeProblem('invalid_state');
    expect(answer.json()).toMatchObject({ detail: 'The order is queued' });
  });

  it.each([
    ['still open', () => Promise.resolve()],
    ['given up meanwhile, since it had no name yet', (id: string) => tell(id, 'declined')],
  ])(
    'leaves a payment to be ended by its name whose order closed while the provider started it: %s',
    async (_name, do_) => {
      const order = await newOrder();
      provider.meanwhile = async () => {
        provider.meanwhile = () => Promise.resolve();
        await cancelOrder(context, order, { actor: 'shopper' });
        await do_(provider.started.at(-1)!);
      };
      const answer = await pay(order);
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
  ])('tells nothing of a provider that %s, and answers 503; the next try pays', async (_name, fault, keyNo) => {
    const order = await newOrder();
    provider.meanwhile = () => {
      provider.meanwhile = () => Promise.resolve();
      return Promise.reject(fault);
    };
    const answer = await pay(order);
    expect(answer).toBeProblem('unavailable');
    expect(answer.headers['retry-after']).toBeDefined();
    expect(answer.body).not.toContain('sk_live');
    const failed = provider.started.at(-1);
    expect((await pay(order)).json()).toMatchObject({ payment_id: failed });
    // A new call, if the old one would get the same answer.
    expect(await findPayment(context.db, failed!)).toMatchObject({ keyNo });
  });

  it('leads to one page only, whatever the provider answers to parallel starts', async () => {
    const order = await newOrder();
    const plain = provider.start.bind(provider);
    let starts = 0;
    const { promise: severalStart, resolve } = Promise.withResolvers<void>();
    provider.start = async (payment) => {
      const url = `https://pay.test/${(starts += 1)}`;
      if (starts > 1) resolve();
      await severalStart;
      return { ...(await plain(payment)), url };
    };
    const answers = await Promise.all(Array.from({ length: 4 }, () => pay(order)));
    provider.start = plain;
    const urls = answers.map((answer) => answer.json<{ next: { url: string } }>().next.url);
    expect(new Set(urls).size).toBe(1);
    expect(starts).toBeGreaterThan(1);
  });

  it('shows the order to its owner only, and accepts valid bodies only', async () => {
    const order = await newOrder();
    for (const call of [pay, cancel]) {
      expect(await call(order, { user_id: 'mallory' })).toBeProblem('not_found');
      expect(await call({ orderNo: '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-999999' })).toBeProblem('not_found');
      expect(await call({ orderNo: 'nonsense' })).toBeProblem('not_found');
      expect(await call(order, {})).toBeProblem('invalid_request');
      expect(await call(order, { user_id: 'alice', more: 1 })).toBeProblem('invalid_request');
    }
    expect(await pay(order, { user_id: 'alice', sandbox: 'steal' })).toBeProblem('invalid_request');
    expect(await poll(order)).toMatchObject({ status: 'pending_payment' });
  });
});

describe('POST /api/v1/orders/:orderNo/cancel', () => {
  it('returns the order after the cancel, and so does every later poll', async () => {
    const order = await newOrder();
    const answer = await cancel(order);
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      order_no: order.orderNo,
      status: 'cancelled',
      closed_at: expect.stringMatching(/Z$/),
    });
    expect(await poll(order)).toEqual(answer.json());
    expect(await ledgerOf(context, order)).toMatchObject({ sold: 0, returned: true, history: [{ actor: 'shopper' }] });
  });

  it('repeated after a lost answer is a success, and changes nothing more (promise 8)', async () => {
    const order = await newOrder();
    const first = await cancel(order);
    const before = await ledgerOf(context, order);
    const again = await cancel(order);
    expect([again.statusCode, again.json()]).toEqual([200, first.json()]);
    expect(await ledgerOf(context, order)).toEqual(before);
    expect(await cancel(order, { user_id: 'mallory' })).toBeProblem('not_found');
  });

  it('is refused for an order that another actor has cancelled', async () => {
    const order = await newOrder();
    await cancelOrder(context, order, { actor: 'operator' });
    expect((await cancel(order)).json()).toMatchObject({ code: 'invalid_state', detail: 'The order is cancelled' });
  });

  it.each(['paid', 'refunded', 'expired'] as const)('is refused for an order that is %s', async (status) => {
    const order = await orderIn(status);
    const before = await ledgerOf(context, order);
    const answer = await cancel(order);
    expect(answer).toBeProblem('invalid_state');
    expect(answer.json()).toMatchObject({ detail: `The order is ${status}` });
    expect(await ledgerOf(context, order)).toEqual(before);
  });

  it('is refused for an order that is still queued', async () => {
    const orderNo = await app.win(await context.openSale(), 'alice');
    const answer = await cancel({ orderNo });
    expect(answer).toBeProblem('invalid_state');
    expect(answer.json()).toMatchObject({ detail: 'The order is queued' });
  });

  it('in parallel cancels once, and is a success for each caller', async () => {
    const order = await newOrder();
    const answers = await Promise.all(Array.from({ length: 6 }, () => cancel(order)));
    expect(answers.map(({ statusCode }) => statusCode)).toEqual(Array(6).fill(200));
    expect(await ledgerOf(context, order)).toMatchObject({ version: 2, sold: 0, history: { length: 1 } });
  });
});

describe('a poll is never behind the ledger', () => {
  it.each(['paid', 'refunded', 'cancelled', 'expired'] as const)('right after an order is %s', async (status) => {
    const order = await orderIn(status);
    expect(await poll(order)).toMatchObject({ status });
  });

  it('if a worker settles the older status after the move', async () => {
    const order = await newOrder();
    await cancel(order);
    const sale = { id: order.productId, shard: 0 };
    const lease = await takeLease(context, sale);
    const settlement = {
      batchNo: batchNoOf(order.orderNo),
      facts: `${order.createdAtMs} ${order.priceCents}`,
      settled: [settledLineOf(order, order.createdAtMs)],
      stuck: [],
    };
    expect(await context.commands.settle(sale, lease, 600_000, [settlement])).toBe(true);
    expect(await poll(order)).toMatchObject({ status: 'cancelled' });
  });

  it('if the worker crashed before it could settle the batch', async () => {
    const order = await newOrder();
    const { state, batches } = context.keys.sale({ id: order.productId, shard: 0 });
    const record = `${Date.now()} ${order.priceCents} 1\n${order.orderNo} alice r`;
    await context.redis.hset(batches, batchNoOf(order.orderNo), record);
    await context.redis.hset(state, { taken_until_ms: 0 });
    expect(await poll(order)).toMatchObject({ status: 'queued' });
    await context.redis.hset(state, { taken_until_ms: Date.now() });
    expect(await poll(order)).toMatchObject({ status: 'pending_payment' });
    await context.redis.hset(state, { taken_until_ms: 0 });
    await cancelOrder(context, order, { actor: 'shopper' });
    expect(await poll(order)).toMatchObject({ status: 'cancelled' });
  });
});
