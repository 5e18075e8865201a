import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { findOrders } from '@flash-sale/shared/order/orders-table.ts';
import { cancelOrder, expireOrders } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { SaleTransactions } from '@flash-sale/shared/order-moves/sale-transactions.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { underLead, leadsInLedger } from '../../src/services/lead.ts';
import { shoppers } from '../shoppers.ts';
import { openWebhookReceiver, type Received, type WebhookReceiver } from '../webhook-receiver.ts';
import { SECRET, cancel, makeDue, openDelivery, pay, toldOf, waiting, write } from '../order-event-delivery.ts';

let context: TestContext;
let web: WebhookReceiver;
beforeEach(async () => {
  context = await openTestContext({
    EVENTS_URL: 'http://receiver.test/',
    EVENTS_SECRET: SECRET,
  });
  onTestFinished(() => context.close());
  web = await openWebhookReceiver();
});

describe('every new status of an order', () => {
  test('is reported, in order, with the facts of the order', async () => {
    const sale = await context.openSale();
    const [paid, cancelled, expired] = await write(context, sale, ['alice', 'bob', 'carol']);
    await pay(context, paid!, ['succeeded', 'refunded']);
    await cancel(context, cancelled!);
    await expireOrders(context, sale.id, [expired!.orderNo]);

    const { round, metrics } = openDelivery(context, web);
    await round();

    expect(toldOf(web.received, paid!)).toEqual(['order.pending_payment', 'order.paid', 'order.refunded']);
    expect(toldOf(web.received, cancelled!)).toEqual(['order.pending_payment', 'order.cancelled']);
    expect(toldOf(web.received, expired!)).toEqual(['order.pending_payment', 'order.expired']);
    const [first] = web.received[0]!.events;
    const [row] = await findOrders(context.db, [first!.data.order_no]);
    expect(first).toEqual({
      type: 'order.pending_payment',
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      data: {
        order_no: row!.orderNo,
        user_id: row!.userId,
        product_id: sale.id,
        status: 'pending_payment',
        price: 19.99,
        quantity: 1,
        total: 19.99,
        created_at: new Date(row!.createdAtMs).toISOString(),
        expires_at: new Date(row!.expiresAtMs!).toISOString(),
      },
    });
    expect(await waiting(context)).toEqual([]);
    expect((await metrics.orderEventsDelivered.get()).values[0]?.value).toBe(7);
  });

  test('is reported for a failed order with its reason', async () => {
    const sale = await context.openSale({ seckillStock: 1 });
    await context.db.updateTable('products').set({ sold: 1 }).where('id', '=', sale.id).execute();
    await write(context, sale, ['late']);
    await openDelivery(context, web).round();
    expect(web.received.flatMap(({ events }) => events)).toMatchObject([
      { type: 'order.failed', data: { status: 'failed', reason: 'no_unit', user_id: 'late' } },
    ]);
  });

  test('is reported with the time of the order', async () => {
    const [order] = await write(context, await context.openSale(), ['alice']);
    const { closedAtMs } = await cancel(context, order!);
    await openDelivery(context, web).round();
    const last = web.received.flatMap(({ events }) => events).at(-1)!;
    expect(last.timestamp).toBe(new Date(closedAtMs!).toISOString());
  });

  test('is reported for 500 orders of one commit in five messages, from five rows', async () => {
    const orders = await write(context, await context.openSale({ seckillStock: 500 }), shoppers(500));
    expect(await waiting(context)).toHaveLength(5);
    await openDelivery(context, web).round();
    expect(web.received.map(({ events }) => events.length)).toEqual([100, 100, 100, 100, 100]);
    expect(new Set(web.received.flatMap(({ events }) => events.map(({ data }) => data.order_no))).size).toBe(
      orders.length,
    );
  });

  test('leaves nothing if the move is rolled back, or if events have no receiver', async () => {
    const [order] = await write(context, await context.openSale(), ['alice']);
    await openDelivery(context, web).round();
    const { db, log } = context;
    const markChanged = () => Promise.reject(new Error('Redis is away'));
    const commands = { ...context.commands, markChanged };
    const cut = new SaleTransactions({ db, commands, log, orderEvents: true });
    await expect(cancelOrder({ saleTransactions: cut }, order!, { actor: 'shopper' })).rejects.toThrow('Redis');
    expect(await waiting(context)).toEqual([]);
    const quiet = new SaleTransactions({ ...context, orderEvents: false });
    await cancelOrder({ saleTransactions: quiet }, order!, { actor: 'shopper' });
    expect(await waiting(context)).toEqual([]);
  });
});

describe('order', () => {
  test('is kept per order number for any failures of its messages, and others are not delayed', async () => {
    const sale = await context.openSale({ seckillStock: 400 });
    const [unlucky, ...lucky] = await write(context, sale, shoppers(3));
    let refusals = 3;
    const isUnlucky = ({ events }: Received): boolean =>
      events.some(({ data }) => data.order_no === unlucky!.orderNo) && (refusals -= 1) >= 0;
    web.answer((message) => (isUnlucky(message) ? 503 : 204));
    const { round } = openDelivery(context, web);
    // Their first events are one message, which fails.
    await round();
    await cancel(context, unlucky!);
    const [other] = await write(context, sale, ['newcomer']);
    await cancel(context, other!);
    await round();
    expect(toldOf(web.received.slice(1), unlucky!)).toEqual([]);
    expect(toldOf(web.received.slice(1), other!)).toEqual(['order.pending_payment', 'order.cancelled']);

    for (let i = 0; i < 4; i += 1) {
      await makeDue(context);
      await round();
    }
    expect(await waiting(context)).toEqual([]);
    const taken = web.received.slice(4 - web.received.length);
    expect(toldOf(taken, unlucky!).slice(-2)).toEqual(['order.pending_payment', 'order.cancelled']);
    for (const order of lucky) expect(toldOf(taken, order)).toContain('order.pending_payment');
  });

  test('holds with two processes, of which one leads', async () => {
    const orders = await write(context, await context.openSale({ seckillStock: 300 }), shoppers(300));
    const deliveries = ['one', 'two'].map((processName) => {
      const { rounds } = openDelivery(context, web);
      return underLead(rounds, { leads: leadsInLedger(context.db), processName, log: context.log });
    });
    onTestFinished(async () => void (await Promise.all(deliveries.map((delivery) => delivery.stop()))));
    for (const delivery of deliveries) delivery.start();
    const ends = await endEach(orders.slice(0, 60));
    for (const [order, end] of ends) expect(toldOf(web.received, order)).toEqual(['order.pending_payment', end]);
  });

  test('holds with two processes that deliver at once, as after a freeze, for a receiver that accepts each message once', async () => {
    const orders = await write(context, await context.openSale({ seckillStock: 300 }), shoppers(300));
    const done = new AbortController();
    const delivering = [openDelivery(context, web), openDelivery(context, web)].map(async ({ round }) => {
      while (!done.signal.aborted) await round();
    });
    const ends = await endEach(orders.slice(0, 60));
    done.abort();
    await Promise.all(delivering);
    const firstOf = new Map(web.received.toReversed().map((message) => [message.id, message]));
    const once = web.received.filter((message) => firstOf.get(message.id) === message);
    for (const [order, end] of ends) expect(toldOf(once, order)).toEqual(['order.pending_payment', end]);
  });

  /** Pays or cancels each of them; resolves once everything was delivered. */
  async function endEach(orders: readonly Order[]): Promise<Map<Order, string>> {
    const ends = new Map(orders.map((order) => [order, order.userId.endsWith('0') ? 'order.paid' : 'order.cancelled']));
    for (const [order, end] of ends) await (end === 'order.paid' ? pay(context, order) : cancel(context, order));
    await expect.poll(() => waiting(context), { timeout: 10_000 }).toEqual([]);
    return ends;
  }
});

test('the delivering process reports the age of the oldest event, and the others report 0', async () => {
  await write(context, await context.openSale(), ['alice']);
  await context.db
    .updateTable('order_events')
    .set({ created_at: new Date(Date.now() - 60_000) })
    .execute();
  web.answer(() => 500);
  const { round, rounds, metrics } = openDelivery(context, web);
  await round();
  const age = async () => (await metrics.orderEventsOldestSeconds.get()).values[0]!.value;
  expect(await age()).toBeGreaterThanOrEqual(60);
  rounds.rest!();
  expect(await age()).toBe(0);
});

test('an event from the future, as a step back of MySQL’s clock leaves it, grows old from when it is first seen', async () => {
  await write(context, await context.openSale(), ['alice']);
  await context.db
    .updateTable('order_events')
    .set({ created_at: new Date(Date.now() + 3_600_000) })
    .execute();
  web.answer(() => 500);
  const { round, metrics } = openDelivery(context, web);
  const age = async () => {
    await round();
    return (await metrics.orderEventsOldestSeconds.get()).values[0]!.value;
  };
  expect(await age()).toBe(0);
  await expect.poll(age).toBeGreaterThan(0.1);
});
