import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Order } from '@flash-sale/shared/order/order.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { connectRedis, type RedisClient } from '@flash-sale/shared/platform/redis/client.ts';
import { createMetrics, type Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { OrderWaiters } from '../../src/order/order-waiters.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';

let context: TestContext;
let subscriber: RedisClient;
let metrics: Metrics;
let orderWaiters: OrderWaiters;
let sale: Sale;

beforeAll(async () => {
  context = await openTestContext();
});

afterAll(() => context.close());

beforeEach(async () => {
  sale = await context.openSale();
  metrics = createMetrics('api');
  subscriber = connectRedis(context.config, 'blocking');
  orderWaiters = new OrderWaiters({ subscriber, keys: context.keys, metrics });
});

afterEach(() => subscriber.disconnect());

const waiters = async () => (await metrics.pollWaiters.get()).values[0]!.value;
const channel = () => context.keys.sale(sale).settled;
const subscribers = async () => ((await context.redis.call('PUBSUB', 'NUMSUB', channel())) as [string, number])[1];

const ORDER = { userId: 'alice', priceCents: 1_000, quantity: 1, createdAtMs: 1_000, version: 1 };
const orderOf = (orderNo: string, status: Order['status']): Order => ({
  ...ORDER,
  productId: sale.id,
  orderNo,
  status,
});
/** The message of `settle` for batches whose orders only the ledger knows. */
const moved = (...batchNos: string[]): string => batchNos.map((no) => `${no} 1000 1000\n${no} -`).join('\n\n');

/** A poll whose readings the test sees: when each was made; it is done when `settle` was called. */
function poll(orderNo: string, waitMs: number, gone = new AbortController()) {
  const readMs: number[] = [];
  let status: Order['status'] = 'queued';
  const answer = orderWaiters.readUntilSettled(sale, orderNo, {
    waitMs,
    gone: gone.signal,
    read: async () => {
      readMs.push(performance.now());
      return orderOf(orderNo, status);
    },
  });
  return {
    answer: answer.then((order) => order?.status),
    order: answer,
    read_ms: readMs,
    gone,
    settle: () => (status = 'pending_payment'),
  };
}

/** Resolves once a poll has read under a confirmed subscription, and so waits for news. */
async function untilItWaits({ read_ms: readMs }: { read_ms: number[] }): Promise<void> {
  await vi.waitFor(async () => {
    expect(await subscribers()).toBe(1);
    expect(readMs.length).toBeGreaterThan(0);
  });
}

describe('a waiting poll', () => {
  it('is answered by the message that has its order, without another reading', async () => {
    const waiting = poll('A', 20_000);
    const failed = poll('B', 20_000);
    for (const each of [waiting, failed]) await untilItWaits(each);
    const reads = () => waiting.read_ms.length + failed.read_ms.length;
    const before = reads();
    const message =
      'X 1 2\nX carol expires 3\n\nA 1000 1999\nA alice expires 60000 2\n\nB 500 7\nB bob failed 20 no_unit';
    await context.redis.publish(channel(), message);
    const facts = { productId: sale.id, version: 1 };
    expect(await waiting.order).toEqual({
      ...facts,
      orderNo: 'A',
      userId: 'alice',
      priceCents: 1_999,
      quantity: 2,
      createdAtMs: 1_000,
      status: 'pending_payment',
      expiresAtMs: 61_000,
    });
    expect(await failed.order).toEqual({
      ...facts,
      orderNo: 'B',
      userId: 'bob',
      priceCents: 7,
      quantity: 1,
      createdAtMs: 500,
      status: 'failed',
      closedAtMs: 520,
      reason: 'no_unit',
    });
    expect(reads()).toBe(before);
  });

  it('is woken by a message without its order: it reads long before its next regular read', async () => {
    for (let round = 0; round < 3; round += 1) {
      const waiting = poll('A', 20_000);
      await untilItWaits(waiting);
      waiting.settle();
      const before = waiting.read_ms.length;
      await context.redis.publish(channel(), moved('X', 'A', 'Y'));
      expect(await waiting.answer).toBe('pending_payment');
      expect(waiting.read_ms).toHaveLength(before + 1);
      expect(waiting.read_ms.at(-1)! - waiting.read_ms.at(-2)!).toBeLessThan(900);
    }
  });

  it('is not woken by the orders of others', async () => {
    const waiting = poll('A', 20_000);
    await untilItWaits(waiting);
    const before = waiting.read_ms.length;
    await context.redis.publish(channel(), moved('AA', 'B', 'a'));
    const told = poll('B', 20_000);
    await untilItWaits(told);
    told.settle();
    await context.redis.publish(channel(), moved('B'));
    await told.answer;
    // At most the regular read once a second.
    expect(waiting.read_ms.length).toBeLessThanOrEqual(before + 1);
    waiting.gone.abort();
    await waiting.answer;
  });

  it('misses no message that arrives while it reads', async () => {
    const reading = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    let reads = 0;
    const answer = orderWaiters.readUntilSettled(sale, 'A', {
      waitMs: 20_000,
      gone: new AbortController().signal,
      async read() {
        reads += 1;
        if (reads > 1) return orderOf('A', 'paid');
        reading.resolve();
        await goOn.promise;
        return orderOf('A', 'queued');
      },
    });
    await reading.promise;
    const got = new Promise((resolve) => subscriber.once('message', resolve));
    await context.redis.publish(channel(), moved('A'));
    await got;
    const wentOnMs = performance.now();
    goOn.resolve();
    expect((await answer)?.status).toBe('paid');
    expect(performance.now() - wentOnMs).toBeLessThan(900);
  });

  it('reads again by itself, in case a message was lost', async () => {
    const waiting = poll('A', 20_000);
    await untilItWaits(waiting);
    waiting.settle();
    expect(await waiting.answer).toBe('pending_payment');
  });

  it('reads as soon as a lost connection is back, since the messages of that time are lost', async () => {
    const waiting = poll('A', 20_000);
    await untilItWaits(waiting);
    const before = waiting.read_ms.length;
    const back = new Promise((resolve) => subscriber.once('ready', resolve));
    await context.redis.call('CLIENT', 'KILL', 'ID', String(await idOf(subscriber)));
    await back;
    await vi.waitFor(() => expect(waiting.read_ms.length).toBeGreaterThan(before), { timeout: 5_000 });
    // And it is subscribed again.
    await vi.waitFor(async () => expect(await subscribers()).toBe(1));
    waiting.settle();
    await context.redis.publish(channel(), moved('A'));
    expect(await waiting.answer).toBe('pending_payment');
  });

  it('ends with its last reading at its time, when its client is gone, and when the process drains', async () => {
    const askedMs = performance.now();
    expect(await poll('A', 300).answer).toBe('queued');
    expect(performance.now() - askedMs).toBeGreaterThanOrEqual(295);

    const left = poll('B', 20_000);
    await untilItWaits(left);
    const leftMs = performance.now();
    left.gone.abort();
    expect(await left.answer).toBe('queued');
    expect(performance.now() - leftMs).toBeLessThan(900);

    const draining = poll('C', 20_000);
    await untilItWaits(draining);
    const drainedMs = performance.now();
    orderWaiters.close();
    expect(await draining.answer).toBe('queued');
    expect(performance.now() - drainedMs).toBeLessThan(900);
    expect(performance.now() - askedMs).toBeLessThan(10_000);
  });

  it('never answers queued by its first reading, which may be behind the ledger', async () => {
    const firstsOf = async () => {
      const firsts: boolean[] = [];
      const order = await orderWaiters.readUntilSettled(sale, 'A', {
        waitMs: 200,
        gone: new AbortController().signal,
        read: async ({ isFirst }) => {
          firsts.push(isFirst);
          return orderOf('A', isFirst ? 'queued' : 'paid');
        },
      });
      return { status: order?.status, firsts };
    };
    expect(await firstsOf()).toEqual({ status: 'paid', firsts: [true, false] });
    orderWaiters.close();
    expect(await firstsOf()).toEqual({ status: 'paid', firsts: [true, false] });
  });

  it('leaves nothing: no waiter, and no subscription after the last one of a sale', async () => {
    const polls = ['A', 'A', 'B'].map((orderNo) => poll(orderNo, 20_000));
    for (const each of polls) await untilItWaits(each);
    expect(await waiters()).toBe(3);
    for (const each of polls) {
      expect(await subscribers()).toBe(1);
      each.settle();
      each.gone.abort();
      await each.answer;
    }
    expect(await waiters()).toBe(0);
    await vi.waitFor(async () => expect(await subscribers()).toBe(0));
  });

  it('is woken even if the previous waiter has just left the sale', async () => {
    for (let round = 0; round < 5; round += 1) {
      const before = poll('A', 20_000);
      await untilItWaits(before);
      before.gone.abort();
      await before.answer;
      const next = poll('B', 20_000);
      await untilItWaits(next);
      next.settle();
      await context.redis.publish(channel(), moved('B'));
      expect(await next.answer).toBe('pending_payment');
    }
  });

  it('frees its place if reading fails', async () => {
    const answer = orderWaiters.readUntilSettled(sale, 'A', {
      waitMs: 20_000,
      gone: new AbortController().signal,
      read: () => Promise.reject(new Error('away')),
    });
    await expect(answer).rejects.toThrow('away');
    expect(await waiters()).toBe(0);
  });
});

/** The connection's id at the server, found by the channel that only it listens to. */
async function idOf(client: RedisClient): Promise<number> {
  const name = `order-waiters-${sale.id}-${process.pid}`;
  await (client as unknown as { client(...args: string[]): Promise<unknown> }).client('SETNAME', name);
  const list = String(await context.redis.call('CLIENT', 'LIST'));
  return Number(new RegExp(`id=(\\d+) .*name=${name} `).exec(list)![1]);
}
