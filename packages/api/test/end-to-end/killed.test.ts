import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openTestContext, type TestContext } from '../../testing/support.ts';
import { openOwnRedis, type OwnServer } from '../../testing/own-servers.ts';
import { expectPromisesKept, watchConservation } from './promises.ts';
import { startService, type Service } from '../../testing/service.ts';
import { each, outcomeOf, Shoppers } from '../../testing/shoppers.ts';

const UNITS = 300;
const SHOPPERS = 600;
const AT_ONCE = 100;
/** After how many 202s something is killed: in the middle of the sale. */
const KILLED_AFTER = 100;
const BACK_MS_MAX = 10_000;

let redis: OwnServer;
let context: TestContext;
let service: Service;
let shoppers: Shoppers;

beforeAll(async () => {
  redis = await openOwnRedis();
  context = await openTestContext(redis.env);
  context.redis.on('error', () => undefined);
  service = await startService(context, { apis: 2, workers: 2 });
  shoppers = new Shoppers(service.url);
}, 60_000);

afterAll(async () => {
  await service.stop();
  shoppers.close();
  await context.close();
  await redis.close();
}, 60_000);

// What a test has killed is replaced, and the others go on.
beforeEach(() => service.replaceEnded(), 60_000);

/**
 * A sale in which `strike` happens once `KILLED_AFTER` buys were accepted. All shoppers come back
 * until they know. Every number that anybody was ever promised must end as that shopper's order.
 *
 * @returns how many units were sold
 */
async function sellThrough(strike: () => Promise<void>): Promise<number> {
  const id = await shoppers.openSale(UNITS);
  const crowd = Array.from({ length: SHOPPERS }, (_, i) => `shopper${i}`);
  const tokens = await each(crowd, AT_ONCE, (user) => shoppers.token(id, user));
  const promised = new Map<string, string>();
  const struck = Promise.withResolvers<void>();
  let strikes = 0;
  const watch = watchConservation(context, id);

  const outcomes = await each(crowd, AT_ONCE, (user, i) =>
    shoppers.buyUntilDecided(id, user, tokens[i]!, (orderNo) => {
      promised.set(orderNo, user);
      if (promised.size >= KILLED_AFTER && strikes++ === 0) strike().then(struck.resolve, struck.reject);
    }),
  );
  await struck.promise;

  expect(outcomes.filter(({ order_no: orderNo }) => orderNo !== undefined)).toHaveLength(UNITS);
  const codes = new Set(outcomes.filter(({ order_no: orderNo }) => orderNo === undefined).map(({ code }) => code));
  expect(codes).toEqual(new Set(['sold_out']));
  const ends = await each([...promised.keys()], AT_ONCE, (orderNo) => shoppers.settled(orderNo));
  expect(new Set(ends)).toEqual(new Set(['pending_payment']));
  expect(await watch.stop()).toMatchObject({ violations: [] });
  await expectPromisesKept(context, { id, seckill_stock: UNITS, sold: UNITS }, promised);
  return promised.size;
}

describe('kill -9 in mid-sale loses nothing that was accepted (promises 3, 5, 6, 8)', () => {
  it('of both api processes, one after the other, between their 202s and their jobs', async () => {
    const sold = await sellThrough(async () => {
      await service.apis[0]!.kill();
      await service.addApi();
      await service.apis[1]!.kill();
    });
    expect(sold).toBe(UNITS);
  }, 60_000);

  it('of every process, with no job of the accepted orders in the queue: the relay finds the reservations', async () => {
    const id = await shoppers.openSale(UNITS);
    await Promise.all(service.workers.map((worker) => worker.kill()));
    const crowd = Array.from({ length: 50 }, (_, i) => `shopper${i}`);
    const promised = new Map<string, string>();
    for (const user of crowd) {
      const { order_no: orderNo } = outcomeOf(await shoppers.buy(id, user, await shoppers.token(id, user)));
      promised.set(orderNo!, user);
    }
    await Promise.all(service.apis.map((api) => api.kill()));
    // What a kill between the 202 and its job leaves behind, made certain.
    const jobs = await context.redis.keys(`${context.keys.queuePrefix(0)}*`);
    expect(await context.redis.unlink(jobs)).toBeGreaterThan(0);
    await Promise.all([service.addApi(), service.addWorker()]);
    const ends = await each([...promised.keys()], AT_ONCE, (orderNo) => shoppers.settled(orderNo));
    expect(new Set(ends)).toEqual(new Set(['pending_payment']));
    await expectPromisesKept(context, { id, seckill_stock: UNITS, sold: crowd.length }, promised);
  }, 60_000);

  it('of both worker processes: orders are written when another one starts', async () => {
    const sold = await sellThrough(async () => {
      await Promise.all(service.workers.map((worker) => worker.kill()));
      await service.addWorker();
    });
    expect(sold).toBe(UNITS);
  }, 60_000);

  it('of Redis, which restarts with the same data: the sale opens again within 10 s by itself (promise 11)', async () => {
    const sold = await sellThrough(async () => {
      await redis.kill();
      await redis.restart();
      const backMs = performance.now();
      await vi.waitFor(
        async () => {
          const { body } = await shoppers.call('GET', '/api/v1/products?limit=1');
          const { items } = JSON.parse(body) as { items: { status: string }[] };
          expect(items[0]!.status).toMatch(/^(open|sold_out)$/);
        },
        { timeout: BACK_MS_MAX, interval: 50 },
      );
      expect(performance.now() - backMs).toBeLessThan(BACK_MS_MAX);
    });
    expect(sold).toBe(UNITS);
  }, 60_000);
});

it('an api process that is stopped in mid-sale answers its open requests, and ends with code 0', async () => {
  let code: number | null | undefined;
  const sold = await sellThrough(async () => {
    code = await service.apis[0]!.stop();
  });
  expect([sold, code]).toEqual([UNITS, 0]);
}, 60_000);
