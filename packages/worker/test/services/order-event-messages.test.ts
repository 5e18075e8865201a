import type { ServerResponse } from 'node:http';
import * as fc from 'fast-check';
import { sql } from 'kysely';
import { Webhook } from 'standardwebhooks';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Order } from '@flash-sale/shared/order/order.ts';
import {
  discardDeadOrderEvents,
  discardOldOrderEvents,
  giveUpOrderEvents,
  reviveOrderEvents,
} from '@flash-sale/shared/order-events/dead-order-events.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { httpReceiver, type Receiver } from '../../src/order-events/receiver.ts';
import { shoppers } from '../shoppers.ts';
import { aLockIsWaitedFor } from '@flash-sale/shared/testing/row-locks.ts';
import { openWebhookReceiver, type Received, type WebhookReceiver } from '../webhook-receiver.ts';
import { GIVE_UP_MS, SECRET, cancel, makeDue, openDelivery, toldOf, waiting, write } from '../order-event-delivery.ts';

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

describe('a message', () => {
  test('is verified by an independent implementation of Standard Webhooks, and a changed one is not', async () => {
    await write(context, await context.openSale(), ['alice']);
    await openDelivery(context, web).round();
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
    await write(context, await context.openSale(), ['alice']);
    const receiver = httpReceiver(web.url, { ...context.config, EVENTS_SECRET: `${next},${SECRET}` });
    await openDelivery(context, web, { receiver }).round();
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
    const [order] = await write(context, await context.openSale(), ['alice']);
    web.answer(answer);
    const { round, metrics } = openDelivery(context, web);
    const beforeMs = Date.now();
    await round();
    expect(web.received).toHaveLength(1);
    const [row] = await waiting(context);
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

    await makeDue(context);
    await round();
    expect(web.received.map(({ id }) => id)).toEqual([row!.message_id, row!.message_id]);
    expect(web.received[1]!.text).toBe(web.received[0]!.text);
    expect(toldOf(web.received.slice(1), order!)).toEqual(['order.pending_payment']);
    expect(await waiting(context)).toEqual([]);
    const attempts = (await metrics.orderEventAttempts.get()).values;
    expect(attempts.map(({ labels, value }) => [labels.outcome, value])).toEqual([
      ['delivered', 1],
      ['failed', 1],
      ['dead', 0],
    ]);
  });

  test('stays if there is no receiver', async () => {
    await write(context, await context.openSale(), ['alice']);
    await web.close();
    await openDelivery(context, web).round();
    expect(await waiting(context)).toMatchObject([{ attempts: 1 }]);
    expect((await waiting(context))[0]!.last_error).toContain('ECONNREFUSED');
  });

  test('that the receiver accepted before a crash is delivered again with the same id', async () => {
    await write(context, await context.openSale(), ['alice']);
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
    await openDelivery(context, web, { receiver: dying })
      .round()
      .catch(() => undefined);
    await sql`DROP TRIGGER crash`.execute(db);
    expect(await waiting(context)).toMatchObject([{ attempts: 0, message_id: web.received[0]!.id }]);

    // More has happened since; the message did not change.
    await write(context, await context.openSale(), ['bob']);
    await openDelivery(context, web).round();
    expect(web.received.map(({ id }) => id).filter((id) => id === web.received[0]!.id)).toHaveLength(2);
    expect(web.received[1]!.text).toBe(web.received[0]!.text);
    expect(web.received).toHaveLength(3);
    expect(await waiting(context)).toEqual([]);
  });
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

test('270 cancels that are given up or tried, and then retried, keep their messages: two messages were once sent in two parts', async () => {
  const sale = await context.openSale({ seckillStock: 270 });
  const orders = await write(context, sale, shoppers(270));
  await openDelivery(context, web).round();
  const before = web.received.length;
  web.answer(() => 500);
  const cancelAndTry = async (some: readonly Order[], giveUpMs: number): Promise<void> => {
    // Nineteen at a time, so that no message ends at a round number of rows.
    for (let i = 0; i < some.length; i += 19) {
      for (const order of some.slice(i, i + 19)) await cancel(context, order);
      await openDelivery(context, web, { giveUpMs }).round();
    }
  };
  await cancelAndTry(orders.slice(0, 120), 0);
  await cancelAndTry(orders.slice(120), GIVE_UP_MS);
  await reviveOrderEvents(context.db);
  await makeDue(context);
  const failed = web.received.length;
  web.answer(() => 204);
  await openDelivery(context, web).round();
  expect(await waiting(context)).toEqual([]);
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

test('a message keeps its orders, whatever fails, is given up or is retried', { timeout: 90_000 }, async () => {
  const run = async (steps: readonly Step[]): Promise<void> => {
    await context.db.deleteFrom('order_events').execute();
    const orders = await write(context, await context.openSale({ seckillStock: 60 }), shoppers(60));
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
          await cancel(context, order);
          cancelled.push(order);
        }
      } else if (next.do === 'retry') {
        await reviveOrderEvents(context.db);
      } else {
        answering(next.answers);
        await makeDue(context);
        await openDelivery(context, web, { window: 3, giveUpMs: next.gives_up ? 0 : GIVE_UP_MS }).round();
      }
    }
    expect(await waiting(context)).toEqual([]);
    expectWhole(web.received.slice(since), taken, cancelled);
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), run), {
    numRuns: 25,
    interruptAfterTimeLimit: 30_000,
  });
});

describe('many rows of order events', () => {
  const ROWS = 1_299;
  /**
   * Written long ago, each three of one message, so that messages lie across the ends of batches;
   * the dead died together.
   */
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
    return (await waiting(context)).map(({ id }) => id);
  }

  test.each([
    ['are tried again', true, () => reviveOrderEvents(context.db)],
    ['are discarded', true, () => discardDeadOrderEvents(context.db)],
    ['are forgotten', true, () => discardOldOrderEvents(context.db, 60_000)],
    ['are given up', false, () => giveUpOrderEvents(context.db, 60_000, 'nobody')],
  ] as const)('%s a few at a time, whole messages, and keep no writer waiting', async (_name, isDead, change) => {
    const ids = await fill(isDead);
    const untouched = async () =>
      (await waiting(context)).filter(({ dead_at: deadAt }) => (deadAt !== null) === isDead);
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
