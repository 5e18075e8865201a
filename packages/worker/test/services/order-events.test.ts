import type { ServerResponse } from 'node:http';
import * as fc from 'fast-check';
import { sql } from 'kysely';
import { Webhook } from 'standardwebhooks';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Order } from '@flash-sale/shared/order/order.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import {
  discardDeadOrderEvents,
  discardOldOrderEvents,
  giveUpOrderEvents,
  reviveOrderEvents,
} from '@flash-sale/shared/order-events/order-events-table.ts';
import { findOrders } from '@flash-sale/shared/order/orders-table.ts';
import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { cancelOrder, expireOrders } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { SaleTransactions } from '@flash-sale/shared/order-moves/sale-transactions.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openPayment } from '@flash-sale/shared/testing/ordering.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { httpReceiver, type Receiver } from '../../src/order-events/receiver.ts';
import { OrderWriter } from '../../src/order-writer/order-writer.ts';
import { underLead, leadsInLedger } from '../../src/services/lead.ts';
import { orderEvents, orderEventsWithoutReceiver } from '../../src/services/order-events.ts';
import { admitAll, shoppers, settleOrdersOf } from '../shoppers.ts';
import { aLockIsWaitedFor } from '@flash-sale/shared/testing/row-locks.ts';
import { openWebhookReceiver, type Received, type WebhookReceiver } from '../webhook-receiver.ts';

const GOING_ON = new AbortController().signal;
const SECRET = `whsec_${Buffer.from('a key of twenty-four byte').toString('base64')}`;
const GIVE_UP_MS = 60_000;
const ANSWER_TIMEOUT_MS = 500;

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

interface DeliveryFields {
  url?: string;
  receiver?: Receiver;
  concurrency?: number;
  giveUpMs?: number;
  window?: number;
}
function openDelivery(fields: DeliveryFields = {}) {
  const metrics = createMetrics('worker');
  const { db, log, config } = context;
  const { url = web.url, concurrency = 4, giveUpMs = GIVE_UP_MS, window } = fields;
  const receiver = fields.receiver ?? httpReceiver(url, config, ANSWER_TIMEOUT_MS);
  const rounds = orderEvents({ db, receiver, concurrency, giveUpMs, log, metrics, ...(window && { window }) });
  return { metrics, rounds, round: () => rounds.round(GOING_ON) };
}

/** The orders of these shoppers, written by the order writer. */
async function write(sale: Sale, users: readonly string[]): Promise<Order[]> {
  const { commands, db, log } = context;
  const orderNos = await admitAll(context, sale, users);
  const sizes = { orderBatchMax: 500, paymentTimeoutMs: 900_000, orderEvents: true };
  await settleOrdersOf(
    new OrderWriter({ db, commands, log, metrics: createMetrics('worker'), ...sizes }),
    sale,
    orderNos,
  );
  const orders = new Map((await findOrders(db, orderNos)).map((order) => [order.orderNo, order]));
  return orderNos.map((orderNo) => orders.get(orderNo)!);
}
async function pay(order: Order, kinds: readonly ('succeeded' | 'refunded')[] = ['succeeded']): Promise<void> {
  const paymentId = await openPayment(context, order.orderNo);
  for (const kind of kinds)
    await applyPaymentEvent(context, 'sandbox', { eventId: `${kind} ${paymentId}`, paymentId, kind });
}
const cancel = (order: Order) => cancelOrder(context, order, { actor: 'shopper' });

const waiting = () => context.db.selectFrom('order_events').selectAll().orderBy('id').execute();
/** Nothing is waited for: what is due later is due now. */
const makeDue = () => context.db.updateTable('order_events').set({ next_attempt_at: null }).execute();
const toldOf = (messages: readonly Received[], order: Order): string[] =>
  messages.flatMap(({ events }) =>
    events.filter(({ data }) => data.order_no === order.orderNo).map(({ type }) => type),
  );

describe('every new status of an order', () => {
  test('is reported, in order, with the facts of the order', async () => {
    const sale = await context.openSale();
    const [paid, cancelled, expired] = await write(sale, ['alice', 'bob', 'carol']);
    await pay(paid!, ['succeeded', 'refunded']);
    await cancel(cancelled!);
    await expireOrders(context, sale.id, [expired!.orderNo]);

    const { round, metrics } = openDelivery();
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
        created_at: new Date(row!.createdAtMs).toISOString(),
        expires_at: new Date(row!.expiresAtMs!).toISOString(),
      },
    });
    expect(await waiting()).toEqual([]);
    expect((await metrics.orderEventsDelivered.get()).values[0]?.value).toBe(7);
  });

  test('is reported for a failed order with its reason', async () => {
    const sale = await context.openSale({ seckillStock: 1 });
    await context.db.updateTable('products').set({ sold: 1 }).where('id', '=', sale.id).execute();
    await write(sale, ['late']);
    await openDelivery().round();
    expect(web.received.flatMap(({ events }) => events)).toMatchObject([
      { type: 'order.failed', data: { status: 'failed', reason: 'no_unit', user_id: 'late' } },
    ]);
  });

  test('is reported with the time of the order', async () => {
    const [order] = await write(await context.openSale(), ['alice']);
    const { closedAtMs } = await cancel(order!);
    await openDelivery().round();
    const last = web.received.flatMap(({ events }) => events).at(-1)!;
    expect(last.timestamp).toBe(new Date(closedAtMs!).toISOString());
  });

  test('is reported for 500 orders of one commit in five messages, from five rows', async () => {
    const orders = await write(await context.openSale({ seckillStock: 500 }), shoppers(500));
    expect(await waiting()).toHaveLength(5);
    await openDelivery().round();
    expect(web.received.map(({ events }) => events.length)).toEqual([100, 100, 100, 100, 100]);
    expect(new Set(web.received.flatMap(({ events }) => events.map(({ data }) => data.order_no))).size).toBe(
      orders.length,
    );
  });

  test('leaves nothing if the move is rolled back, or if events have no receiver', async () => {
    const [order] = await write(await context.openSale(), ['alice']);
    await openDelivery().round();
    const { db, log } = context;
    const markChanged = () => Promise.reject(new Error('Redis is away'));
    const commands = { ...context.commands, markChanged };
    const cut = new SaleTransactions({ db, commands, log, orderEvents: true });
    await expect(cancelOrder({ saleTransactions: cut }, order!, { actor: 'shopper' })).rejects.toThrow('Redis');
    expect(await waiting()).toEqual([]);
    const quiet = new SaleTransactions({ ...context, orderEvents: false });
    await cancelOrder({ saleTransactions: quiet }, order!, { actor: 'shopper' });
    expect(await waiting()).toEqual([]);
  });
});

describe('a message', () => {
  test('is verified by an independent implementation of Standard Webhooks, and a changed one is not', async () => {
    await write(await context.openSale(), ['alice']);
    await openDelivery().round();
    const [{ headers, text }] = web.received as [Received];
    const receiver = new Webhook(SECRET);
    expect(receiver.verify(text, headers as Record<string, string>)).toMatchObject({ type: 'order.events' });
    expect(() => receiver.verify(text.replace('alice', 'mallo'), headers as Record<string, string>)).toThrow(
      'signature',
    );
    const replayed = { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) + 1) };
    expect(() => receiver.verify(text, replayed as unknown as Record<string, string>)).toThrow('signature');
  });

  test('is signed with the old secret and the new one while secrets change', async () => {
    const next = `whsec_${Buffer.from('another key of thirty-two bytes!').toString('base64')}`;
    await write(await context.openSale(), ['alice']);
    const receiver = httpReceiver(web.url, { ...context.config, EVENTS_SECRET: `${next},${SECRET}` });
    await openDelivery({ receiver }).round();
    const [{ headers, text }] = web.received as [Received];
    for (const secret of [SECRET, next])
      expect(new Webhook(secret).verify(text, headers as Record<string, string>)).toBeTruthy();
  });

  test.each([
    ['answers 500', () => 500],
    [
      'redirects, which is not followed',
      () => (response: ServerResponse) => response.writeHead(307, { location: '/elsewhere' }).end(),
    ],
    ['hangs up', () => (response: ServerResponse) => response.destroy()],
    ['never answers', () => () => undefined],
  ])('stays where the receiver %s, and is delivered later under the same id', async (_how, answer) => {
    const [order] = await write(await context.openSale(), ['alice']);
    web.answer(answer);
    const { round, metrics } = openDelivery();
    const beforeMs = Date.now();
    await round();
    expect(web.received).toHaveLength(1);
    const [row] = await waiting();
    expect(row).toMatchObject({ attempts: 1, message_id: web.received[0]!.id, dead_at: null });
    expect(row!.last_error).toBeTruthy();
    expect(row!.next_attempt_at!.getTime()).toBeGreaterThanOrEqual(beforeMs + 750);

    // Not due yet.
    web.answer(() => 200);
    await context.db
      .updateTable('order_events')
      .set({ next_attempt_at: new Date(Date.now() + 60_000) })
      .execute();
    await round();
    expect(web.received).toHaveLength(1);

    await makeDue();
    await round();
    expect(web.received.map(({ id }) => id)).toEqual([row!.message_id, row!.message_id]);
    expect(web.received[1]!.text).toBe(web.received[0]!.text);
    expect(toldOf(web.received.slice(1), order!)).toEqual(['order.pending_payment']);
    expect(await waiting()).toEqual([]);
    const attempts = (await metrics.orderEventAttempts.get()).values;
    expect(attempts.map(({ labels, value }) => [labels.outcome, value])).toEqual([
      ['delivered', 1],
      ['failed', 1],
      ['dead', 0],
    ]);
  });

  test('stays if there is no receiver', async () => {
    await write(await context.openSale(), ['alice']);
    await web.close();
    await openDelivery().round();
    expect(await waiting()).toMatchObject([{ attempts: 1 }]);
    expect((await waiting())[0]!.last_error).toContain('ECONNREFUSED');
  });

  test('that the receiver accepted before a crash is delivered again with the same id', async () => {
    await write(await context.openSale(), ['alice']);
    // Taken, and then the process that delivered it dies before it can say so in MySQL.
    const http = httpReceiver(web.url, context.config);
    const dying: Receiver = {
      deliver: async (...message) => {
        await http.deliver(...message);
        throw new Error('killed');
      },
    };
    const { db } = context;
    await sql`
      CREATE TRIGGER crash BEFORE UPDATE ON order_events FOR EACH ROW
      IF NEW.attempts > 0 THEN SIGNAL SQLSTATE '45000'; END IF`.execute(db);
    await openDelivery({ receiver: dying })
      .round()
      .catch(() => undefined);
    await sql`DROP TRIGGER crash`.execute(db);
    expect(await waiting()).toMatchObject([{ attempts: 0, message_id: web.received[0]!.id }]);

    // More has happened since; the message did not change.
    await write(await context.openSale(), ['bob']);
    await openDelivery().round();
    expect(web.received.map(({ id }) => id).filter((id) => id === web.received[0]!.id)).toHaveLength(2);
    expect(web.received[1]!.text).toBe(web.received[0]!.text);
    expect(web.received).toHaveLength(3);
    expect(await waiting()).toEqual([]);
  });
});

describe('order', () => {
  test('is kept per order number for any failures of its messages, and others are not delayed', async () => {
    const sale = await context.openSale({ seckillStock: 400 });
    const [unlucky, ...lucky] = await write(sale, shoppers(3));
    let refusals = 3;
    const isUnlucky = ({ events }: Received): boolean =>
      events.some(({ data }) => data.order_no === unlucky!.orderNo) && (refusals -= 1) >= 0;
    web.answer((message) => (isUnlucky(message) ? 503 : 204));
    const { round } = openDelivery();
    // Their first events are one message, which fails.
    await round();
    await cancel(unlucky!);
    const [other] = await write(sale, ['newcomer']);
    await cancel(other!);
    await round();
    expect(toldOf(web.received.slice(1), unlucky!)).toEqual([]);
    expect(toldOf(web.received.slice(1), other!)).toEqual(['order.pending_payment', 'order.cancelled']);

    for (let i = 0; i < 4; i += 1) {
      await makeDue();
      await round();
    }
    expect(await waiting()).toEqual([]);
    const taken = web.received.slice(4 - web.received.length);
    expect(toldOf(taken, unlucky!).slice(-2)).toEqual(['order.pending_payment', 'order.cancelled']);
    for (const order of lucky) expect(toldOf(taken, order)).toContain('order.pending_payment');
  });

  test('holds with two processes, of which one leads', async () => {
    const orders = await write(await context.openSale({ seckillStock: 300 }), shoppers(300));
    const deliveries = ['one', 'two'].map((processName) => {
      const { rounds } = openDelivery();
      return underLead(rounds, { leads: leadsInLedger(context.db), processName, log: context.log });
    });
    onTestFinished(async () => void (await Promise.all(deliveries.map((delivery) => delivery.stop()))));
    for (const delivery of deliveries) delivery.start();
    const ends = await endEach(orders.slice(0, 60));
    for (const [order, end] of ends) expect(toldOf(web.received, order)).toEqual(['order.pending_payment', end]);
  });

  test('holds with two processes that deliver at once, as after a freeze, for a receiver that accepts each message once', async () => {
    const orders = await write(await context.openSale({ seckillStock: 300 }), shoppers(300));
    const done = new AbortController();
    const delivering = [openDelivery(), openDelivery()].map(async ({ round }) => {
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
    for (const [order, end] of ends) await (end === 'order.paid' ? pay(order) : cancel(order));
    await expect.poll(waiting, { timeout: 10_000 }).toEqual([]);
    return ends;
  }
});

/**
 * That no message changed, and that each order was told what it came to, once if it was taken once,
 * in `taken`.
 */
function expectWhole(received: readonly Received[], taken: readonly Received[], orders: readonly Order[]): void {
  const bodies = Map.groupBy(received, ({ id }) => id);
  const changed = [...bodies].filter(([, messages]) => new Set(messages.map(({ text }) => text)).size > 1);
  expect(changed.map(([id, messages]) => [id, messages.map(({ events }) => events.length)])).toEqual([]);
  const told = taken.flatMap(({ events }) => events.map(({ data }) => `${data.order_no} ${data.status}`));
  expect(told.toSorted()).toEqual(orders.map(({ orderNo }) => `${orderNo} cancelled`).toSorted());
}

test('a message keeps its content: 120 single cancels dead, 150 begun, then retried, once sent two of them in two parts', async () => {
  const sale = await context.openSale({ seckillStock: 270 });
  const orders = await write(sale, shoppers(270));
  await openDelivery().round();
  const before = web.received.length;
  web.answer(() => 500);
  const cancelAndTry = async (some: readonly Order[], giveUpMs: number): Promise<void> => {
    // Nineteen at a time, so that no message ends at a round number of rows.
    for (let i = 0; i < some.length; i += 19) {
      for (const order of some.slice(i, i + 19)) await cancel(order);
      await openDelivery({ giveUpMs }).round();
    }
  };
  await cancelAndTry(orders.slice(0, 120), 0);
  await cancelAndTry(orders.slice(120), GIVE_UP_MS);
  await reviveOrderEvents(context.db);
  await makeDue();
  const failed = web.received.length;
  web.answer(() => 204);
  await openDelivery().round();
  expect(await waiting()).toEqual([]);
  expectWhole(web.received.slice(before), web.received.slice(failed), orders);
});

type Step =
  | { readonly do: 'cancel'; readonly count: number }
  | { readonly do: 'round'; readonly answers: 'all' | 'none' | 'some'; readonly gives_up: boolean }
  | { readonly do: 'retry' };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('cancel' as const), count: fc.integer({ min: 1, max: 6 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('round' as const),
      answers: fc.constantFrom('all' as const, 'none' as const, 'none' as const, 'some' as const),
      gives_up: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('retry' as const) }) },
);

test(
  'a message stays what it was, whatever fails, is given up and is retried in between',
  { timeout: 90_000 },
  async () => {
    const run = async (steps: readonly Step[]): Promise<void> => {
      await context.db.deleteFrom('order_events').execute();
      const orders = await write(await context.openSale({ seckillStock: 60 }), shoppers(60));
      await context.db.deleteFrom('order_events').execute();
      const since = web.received.length;
      const taken: Received[] = [];
      const cancelled: Order[] = [];
      const answering = (answers: 'all' | 'none' | 'some') =>
        web.answer((message) => {
          const takes = answers === 'all' || (answers === 'some' && message.events.length % 2 === 0);
          if (takes) taken.push(message);
          return takes ? 204 : 500;
        });
      for (const next of [...steps, { do: 'retry' }, { do: 'round', answers: 'all', gives_up: false }] as Step[]) {
        if (next.do === 'cancel') {
          for (const order of orders.slice(cancelled.length, cancelled.length + next.count)) {
            await cancel(order);
            cancelled.push(order);
          }
        } else if (next.do === 'retry') {
          await reviveOrderEvents(context.db);
        } else {
          answering(next.answers);
          await makeDue();
          await openDelivery({ window: 3, giveUpMs: next.gives_up ? 0 : GIVE_UP_MS }).round();
        }
      }
      expect(await waiting()).toEqual([]);
      expectWhole(web.received.slice(since), taken, cancelled);
    };
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), run), {
      numRuns: 25,
      interruptAfterTimeLimit: 30_000,
    });
  },
);

describe('a receiver that takes nothing', () => {
  test('is called only a limited number of times in a round', async () => {
    await write(await context.openSale({ seckillStock: 2_000 }), shoppers(2_000));
    web.answer(() => 500);
    await openDelivery({ concurrency: 4 }).round();
    expect(web.received.length).toBeLessThanOrEqual(7);
    expect(await waiting()).toHaveLength(20);
  });

  test('delays neither the writing nor the moves of orders, and gets everything when it is back', async () => {
    const sale = await context.openSale({ seckillStock: 1_000 });
    const held = Promise.withResolvers<void>();
    web.answer(() => (response) => {
      void held.promise.then(() => response.writeHead(500).end());
    });
    await write(sale, ['first']);
    const delivering = openDelivery().round();
    await expect.poll(() => web.received.length).toBe(1);
    // While the receiver has the first message and says nothing.
    const orders = await write(sale, shoppers(600));
    await pay(orders[0]!);
    await cancel(orders[1]!);
    held.resolve();
    await delivering;

    web.answer(() => 204);
    await makeDue();
    await openDelivery().round();
    expect(await waiting()).toEqual([]);
    expect(toldOf(web.received, orders[0]!)).toEqual(['order.pending_payment', 'order.paid']);
  });

  test('is tried again in time and not given up, although a worker with a clock that is an hour ahead tried first', async () => {
    const [order] = await write(await context.openSale(), ['alice']);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    onTestFinished(() => void vi.useRealTimers());
    await openDelivery({ url: 'http://127.0.0.1:9/' }).round();
    vi.useRealTimers();
    expect(await waiting()).toMatchObject([{ attempts: 1, dead_at: null }]);
    const { round } = openDelivery();
    const toldInTime = async () => {
      await round();
      return toldOf(web.received, order!);
    };
    await expect.poll(toldInTime, { timeout: 10_000 }).toEqual(['order.pending_payment']);
  });

  test('is given up at last: the message is dead, shown to operators, and does not delay later ones', async () => {
    const [order] = await write(await context.openSale(), ['alice']);
    web.answer(() => 500);
    const { round, metrics } = openDelivery({ giveUpMs: 0 });
    await round();
    expect(await waiting()).toMatchObject([
      { dead_at: expect.any(Date) as Date, last_error: 'The receiver answers 500' },
    ]);
    web.answer(() => 204);
    await makeDue();
    await cancel(order!);
    await round();
    expect(toldOf(web.received.slice(1), order!)).toEqual(['order.cancelled']);
    expect((await metrics.orderEventAttempts.get()).values).toContainEqual({ labels: { outcome: 'dead' }, value: 1 });

    // An operator retries it, for the full time again.
    expect(await reviveOrderEvents(context.db)).toBe(1);
    web.answer(() => 500);
    const patient = openDelivery();
    await patient.round();
    expect(await waiting()).toMatchObject([{ dead_at: null, attempts: 1, message_id: web.received[0]!.id }]);
    web.answer(() => 204);
    await makeDue();
    await patient.round();
    expect(await waiting()).toEqual([]);
  });

  test('leaves dead messages that an operator can discard, and only those', async () => {
    const sale = await context.openSale();
    await write(sale, ['alice']);
    web.answer(() => 500);
    await openDelivery({ giveUpMs: 0 }).round();
    await write(sale, ['bob']);
    expect(await discardDeadOrderEvents(context.db)).toBe(1);
    expect(await waiting()).toHaveLength(1);
  });
});

describe('many rows', () => {
  const ROWS = 1_299;
  /** Written long ago, each three of one message, so that messages lie across the ends of batches; the dead died together. */
  async function fill(isDead: boolean): Promise<number[]> {
    const old = new Date(Date.now() - 3_600_000);
    const rows = Array.from({ length: ROWS }, (_, i) => ({
      product_id: 1,
      status: 'cancelled' as const,
      order_nos: `order-${i}`,
      orders: 1,
      created_at: old,
      waiting_since: old,
      message_id: `msg_${Math.floor(i / 3)}`,
      dead_at: isDead ? old : null,
    }));
    await context.db.insertInto('order_events').values(rows).execute();
    return (await waiting()).map(({ id }) => id);
  }

  test.each([
    ['are tried again', true, () => reviveOrderEvents(context.db)],
    ['are discarded', true, () => discardDeadOrderEvents(context.db)],
    ['are forgotten', true, () => discardOldOrderEvents(context.db, 60_000)],
    ['are given up', false, () => giveUpOrderEvents(context.db, 60_000, 'nobody')],
  ] as const)('%s a few at a time, whole messages, and keep no writer waiting', async (_name, isDead, change) => {
    const ids = await fill(isDead);
    const untouched = async () => (await waiting()).filter(({ dead_at: deadAt }) => (deadAt !== null) === isDead);
    const holder = await context.db.startTransaction().execute();
    await holder.selectFrom('order_events').select('id').where('id', '=', ids[1_200]!).forUpdate().execute();
    const changing = change();
    await aLockIsWaitedFor(context.db);

    // What was changed so far is committed, and no message is divided.
    const left = await untouched();
    expect(left.length).toBeGreaterThan(0);
    expect(left.length).toBeLessThan(ROWS);
    for (const of of Map.groupBy(left, ({ message_id: messageId }) => messageId).values()) expect(of).toHaveLength(3);
    const { id: _id, ...row } = left[0]!;
    await context.db.transaction().execute(async (tx) => {
      await sql`SET SESSION innodb_lock_wait_timeout = 1`.execute(tx);
      await tx
        .insertInto('order_events')
        .values({ ...row, message_id: null, dead_at: null, waiting_since: new Date() })
        .execute();
      await sql`SET SESSION innodb_lock_wait_timeout = DEFAULT`.execute(tx);
    });

    await holder.rollback().execute();
    expect(await changing).toBe(ROWS);
    expect((await untouched()).length).toBe(isDead ? 0 : 1);
  });
});

describe('a receiver that answers', () => {
  test.each([
    ['200 with a page', (response: ServerResponse) => response.end('<html>hello</html>'), null],
    ['204', 204, null],
    [
      '302, which is not followed',
      (response: ServerResponse) => response.writeHead(302, { location: '/' }).end(),
      'The receiver answers 302: redirects are not followed, see EVENTS_URL',
    ],
    ['400', 400, 'The receiver answers 400'],
    ['401', 401, 'The receiver answers 401: see EVENTS_SECRET'],
    ['404', 404, 'The receiver answers 404: see EVENTS_URL'],
    ['410', 410, 'The receiver answers 410: see EVENTS_URL'],
    ['413', 413, 'The receiver answers 413'],
    ['429', 429, 'The receiver answers 429'],
    ['500', 500, 'The receiver answers 500'],
    ['nothing, and hangs up', (response: ServerResponse) => response.destroy(), 'other side closed'],
    ['nothing, and hangs', () => undefined, 'The operation was aborted due to timeout'],
  ] as const)('%s has taken the message, or gets it again', async (_name, answer, error) => {
    await write(await context.openSale(), ['alice']);
    web.answer(() => answer);
    await openDelivery().round();
    const [row] = await waiting();
    expect(row?.last_error ?? null).toBe(error);
    web.answer(() => 204);
    await makeDue();
    await openDelivery().round();
    expect(await waiting()).toEqual([]);
    expect(web.received).toHaveLength(error === null ? 1 : 2);
  });

  test.each([
    [429, () => '40', 40],
    [503, () => new Date(Date.now() + 300_000).toUTCString(), 298],
    [503, () => '86400', 600],
  ])(
    '%i with Retry-After (case %#) is left alone for so long, up to ten minutes, with all messages',
    async (status, after, seconds) => {
      await write(await context.openSale({ seckillStock: 900 }), shoppers(900));
      web.answer(() => (response) => void response.writeHead(status, { 'retry-after': after() }).end());
      const { round } = openDelivery({ concurrency: 1 });
      await round();
      expect(web.received).toHaveLength(1);
      await makeDue();
      await round();
      expect(web.received).toHaveLength(1);
      // Another process, without knowledge of it, gets the same.
      await openDelivery({ concurrency: 1 }).round();
      const { rows } = await sql<{ wait: number }>`
      SELECT MAX(TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(3), next_attempt_at)) AS wait FROM order_events`.execute(
        context.db,
      );
      expect(rows[0]!.wait).toBeGreaterThan(seconds - 20);
      expect(rows[0]!.wait).toBeLessThanOrEqual(seconds + 2);
    },
  );
});

test('events of a service whose EVENTS_URL was removed are given up after the same time, whole messages at once', async () => {
  const sale = await context.openSale();
  const [order] = await write(sale, ['alice', 'bob']);
  web.answer(() => 500);
  await openDelivery().round();
  await cancel(order!);
  const { db, log } = context;
  const round = (giveUpMs: number) =>
    orderEventsWithoutReceiver({ db, giveUpMs, log, metrics: createMetrics('worker') }).round(GOING_ON);
  await round(GIVE_UP_MS);
  expect((await waiting()).every(({ dead_at: deadAt }) => deadAt === null)).toBe(true);
  await round(0);
  const dead = await waiting();
  expect(dead).toHaveLength(2);
  for (const row of dead)
    expect(row).toMatchObject({ last_error: 'EVENTS_URL is not set', dead_at: expect.any(Date) as Date });
  // With a receiver again, they are sent unchanged.
  await reviveOrderEvents(db);
  web.answer(() => 204);
  await openDelivery().round();
  expect(await waiting()).toEqual([]);
  expect(web.received[1]!.text).toBe(web.received[0]!.text);
});

test('a receiver whose answer never ends is disconnected', async () => {
  await write(await context.openSale(), ['alice']);
  const ended = Promise.withResolvers<void>();
  web.answer(() => (response) => {
    response.writeHead(200);
    response.on('close', ended.resolve);
    const more = (): void => {
      if (!response.destroyed) response.write('x'.repeat(16_384), more);
    };
    more();
  });
  await openDelivery().round();
  await ended.promise;
  expect(await waiting()).toEqual([]);
});

test('the delivering process reports the age of the oldest event, and the others report 0', async () => {
  await write(await context.openSale(), ['alice']);
  await context.db
    .updateTable('order_events')
    .set({ created_at: new Date(Date.now() - 60_000) })
    .execute();
  web.answer(() => 500);
  const { round, rounds, metrics } = openDelivery();
  await round();
  const age = async () => (await metrics.orderEventsOldestSeconds.get()).values[0]!.value;
  expect(await age()).toBeGreaterThanOrEqual(60);
  rounds.rest!();
  expect(await age()).toBe(0);
});
