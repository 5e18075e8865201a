import type { ServerResponse } from 'node:http';
import { sql } from 'kysely';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { discardDeadOrderEvents, reviveOrderEvents } from '@flash-sale/shared/order-events/dead-order-events.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { orderEventsWithoutReceiver } from '../../src/services/order-events.ts';
import { shoppers } from '../shoppers.ts';
import { openWebhookReceiver, type WebhookReceiver } from '../webhook-receiver.ts';
import {
  GIVE_UP_MS,
  GOING_ON,
  SECRET,
  cancel,
  makeDue,
  openDelivery,
  pay,
  toldOf,
  waiting,
  write,
} from '../order-event-delivery.ts';

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

describe('a receiver that takes nothing', () => {
  test('is called only a limited number of times in a round', async () => {
    await write(context, await context.openSale({ seckillStock: 2_000 }), shoppers(2_000));
    web.answer(() => 500);
    await openDelivery(context, web, { concurrency: 4 }).round();
    expect(web.received.length).toBeLessThanOrEqual(7);
    expect(await waiting(context)).toHaveLength(20);
  });

  test('delays neither the writing nor the moves of orders, and gets everything when it is back', async () => {
    const sale = await context.openSale({ seckillStock: 1_000 });
    const held = Promise.withResolvers<void>();
    web.answer(() => (response) => {
      void held.promise.then(() => response.writeHead(500).end());
    });
    await write(context, sale, ['first']);
    const delivering = openDelivery(context, web).round();
    await expect.poll(() => web.received.length).toBe(1);
    // While the receiver has the first message and says nothing.
    const orders = await write(context, sale, shoppers(600));
    await pay(context, orders[0]!);
    await cancel(context, orders[1]!);
    held.resolve();
    await delivering;

    web.answer(() => 204);
    await makeDue(context);
    await openDelivery(context, web).round();
    expect(await waiting(context)).toEqual([]);
    expect(toldOf(web.received, orders[0]!)).toEqual(['order.pending_payment', 'order.paid']);
  });

  test('is tried again in time and not given up, although a worker with a clock that is an hour ahead tried first', async () => {
    const [order] = await write(context, await context.openSale(), ['alice']);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    onTestFinished(() => void vi.useRealTimers());
    await openDelivery(context, web, { url: 'http://127.0.0.1:9/' }).round();
    vi.useRealTimers();
    expect(await waiting(context)).toMatchObject([{ attempts: 1, dead_at: null }]);
    const { round } = openDelivery(context, web);
    const toldInTime = async () => {
      await round();
      return toldOf(web.received, order!);
    };
    await expect.poll(toldInTime, { timeout: 10_000 }).toEqual(['order.pending_payment']);
  });

  test('is given up at last: the message is dead, shown to operators, and does not delay later ones', async () => {
    const [order] = await write(context, await context.openSale(), ['alice']);
    web.answer(() => 500);
    const { round, metrics } = openDelivery(context, web, { giveUpMs: 0 });
    await round();
    expect(await waiting(context)).toMatchObject([
      { dead_at: expect.any(Date) as Date, last_error: 'The receiver answers 500' },
    ]);
    web.answer(() => 204);
    await makeDue(context);
    await cancel(context, order!);
    await round();
    expect(toldOf(web.received.slice(1), order!)).toEqual(['order.cancelled']);
    expect((await metrics.orderEventAttempts.get()).values).toContainEqual({ labels: { outcome: 'dead' }, value: 1 });

    // An operator retries it, for the full time again.
    expect(await reviveOrderEvents(context.db)).toBe(1);
    web.answer(() => 500);
    const patient = openDelivery(context, web);
    await patient.round();
    expect(await waiting(context)).toMatchObject([{ dead_at: null, attempts: 1, message_id: web.received[0]!.id }]);
    web.answer(() => 204);
    await makeDue(context);
    await patient.round();
    expect(await waiting(context)).toEqual([]);
  });

  test('leaves dead messages that an operator can discard, and only those', async () => {
    const sale = await context.openSale();
    await write(context, sale, ['alice']);
    web.answer(() => 500);
    await openDelivery(context, web, { giveUpMs: 0 }).round();
    await write(context, sale, ['bob']);
    expect(await discardDeadOrderEvents(context.db)).toBe(1);
    expect(await waiting(context)).toHaveLength(1);
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
    await write(context, await context.openSale(), ['alice']);
    web.answer(() => answer);
    await openDelivery(context, web).round();
    const [row] = await waiting(context);
    expect(row?.last_error ?? null).toBe(error);
    web.answer(() => 204);
    await makeDue(context);
    await openDelivery(context, web).round();
    expect(await waiting(context)).toEqual([]);
    expect(web.received).toHaveLength(error === null ? 1 : 2);
  });

  test.each([
    [429, () => '40', 40],
    [503, () => new Date(Date.now() + 300_000).toUTCString(), 298],
    [503, () => '86400', 600],
  ])(
    '%i with Retry-After (case %#) gets no message for that time, up to ten minutes',
    async (status, after, seconds) => {
      await write(context, await context.openSale({ seckillStock: 900 }), shoppers(900));
      web.answer(() => (response) => void response.writeHead(status, { 'retry-after': after() }).end());
      const { round } = openDelivery(context, web, { concurrency: 1 });
      await round();
      expect(web.received).toHaveLength(1);
      await makeDue(context);
      await round();
      expect(web.received).toHaveLength(1);
      // Another process, without knowledge of it, gets the same.
      await openDelivery(context, web, { concurrency: 1 }).round();
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
  const [order] = await write(context, sale, ['alice', 'bob']);
  web.answer(() => 500);
  await openDelivery(context, web).round();
  await cancel(context, order!);
  const { db, log } = context;
  const round = (giveUpMs: number) =>
    orderEventsWithoutReceiver({ db, giveUpMs, log, metrics: createMetrics('worker') }).round(GOING_ON);
  await round(GIVE_UP_MS);
  expect((await waiting(context)).every(({ dead_at: deadAt }) => deadAt === null)).toBe(true);
  await round(0);
  const dead = await waiting(context);
  expect(dead).toHaveLength(2);
  for (const row of dead)
    expect(row).toMatchObject({ last_error: 'EVENTS_URL is not set', dead_at: expect.any(Date) as Date });
  // With a receiver again, they are sent unchanged.
  await reviveOrderEvents(db);
  web.answer(() => 204);
  await openDelivery(context, web).round();
  expect(await waiting(context)).toEqual([]);
  expect(web.received[1]!.text).toBe(web.received[0]!.text);
});

test('a receiver whose answer never ends is disconnected', async () => {
  await write(context, await context.openSale(), ['alice']);
  const ended = Promise.withResolvers<void>();
  web.answer(() => (response) => {
    response.writeHead(200);
    response.on('close', ended.resolve);
    const more = (): void => {
      if (!response.destroyed) response.write('x'.repeat(16_384), more);
    };
    more();
  });
  await openDelivery(context, web).round();
  await ended.promise;
  expect(await waiting(context)).toEqual([]);
});
