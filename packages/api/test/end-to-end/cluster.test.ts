import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import {
  startRedisCluster,
  type ClusterMaster,
  type RedisCluster,
} from '../../../../infra/src/services/redis-cluster.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';
import { openOwnFolder, type OwnFolder } from '@flash-sale/shared/testing/own-folder.ts';
import { expectPromisesKept, watchConservation } from './promises.ts';
import { startService, type Service } from '../../testing/service.ts';
import { each, outcomeOf, Shoppers } from '../../testing/shoppers.ts';

const UNITS = 40;
const SHOPPERS = 80;
const AT_ONCE = 20;
/** After how many 202s of its own sale a master goes. */
const STRUCK_AFTER = 10;
const SHARDS = 8;
const PASSWORD = 'ownRedis';
/** Within a second is promised; a machine that is busy with other tests has some to spare. */
const REFUSED_MS_MAX = 3_000;
const SOON = { timeout: 40_000, interval: 50 };

let folder: OwnFolder;
let cluster: RedisCluster;
let context: TestContext;
let service: Service;
let shoppers: Shoppers;
/** One that each master keeps. */
let shards: number[];

beforeAll(async () => {
  folder = openOwnFolder();
  cluster = await startRedisCluster({ dataDir: folder.dataDir, password: PASSWORD });
  context = await openTestContext({
    REDIS_ADDR: cluster.address,
    REDIS_PASSWORD: PASSWORD,
    REDIS_CLUSTER: 'true',
    SHARDS: String(SHARDS),
  });
  context.redis.on('error', () => undefined);
  service = await startService(context, { apis: 1, workers: 2 });
  shoppers = new Shoppers(service.url);
  const slots = await Promise.all(
    Array.from({ length: SHARDS }, (_, shard) => context.redis.cluster('KEYSLOT', `{${shard}}`)),
  );
  shards = cluster.masters.map(({ slots: [first, last] }) => slots.findIndex((slot) => slot >= first && slot <= last));
  if (shards.includes(-1)) throw new Error(`no shard for each master among ${SHARDS}`);
}, 120_000);

afterAll(async () => {
  // How a process ends is another test's; here one may have its jobs on a master that was away a
  // moment ago.
  await Promise.all([...service.apis, ...service.workers].map((started) => started.kill()));
  shoppers.close();
  await context.close();
  await folder.close();
}, 60_000);

/** Loaded by the workers: the warm-up of its shard works. */
async function untilOpen(sale: Sale): Promise<Sale> {
  await vi.waitFor(async () => {
    const { body } = await shoppers.call('GET', `/api/v1/products/${sale.id}`);
    expect(JSON.parse(body)).toMatchObject({ status: 'open' });
  }, SOON);
  return sale;
}

/** A crowd that buys a sale out, and comes back until it knows. */
async function openCrowd(sale: Sale) {
  const accepted = new Map<string, string>();
  const enough = Promise.withResolvers<void>();
  const watch = watchConservation(context, sale.id, sale.shard);
  const crowd = Array.from({ length: SHOPPERS }, (_, i) => `shopper${i}`);
  const tokens = await each(crowd, AT_ONCE, (user) => shoppers.token(sale.id, user));
  let buying: Promise<unknown>;
  return {
    sale,
    /** Resolves when enough were accepted for the sale to be in full swing. */
    start(): Promise<void> {
      buying = each(crowd, AT_ONCE, (user, i) =>
        shoppers.buyUntilDecided(sale.id, user, tokens[i]!, (orderNo) => {
          accepted.set(orderNo, user);
          if (accepted.size >= STRUCK_AFTER) enough.resolve();
        }),
      );
      return enough.promise;
    },
    async untilSoldOut(): Promise<void> {
      await buying;
      for (const orderNo of accepted.keys()) expect(await shoppers.settled(orderNo)).toBe('pending_payment');
      expect(await watch.stop()).toMatchObject({ violations: [] });
      await expectPromisesKept(context, { ...sale, seckill_stock: UNITS, sold: UNITS }, accepted);
    },
  };
}

const answersReady = async (port: number): Promise<number> => (await fetch(`http://127.0.0.1:${port}/readyz`)).status;

describe('sales on three masters of a cluster, one of which is lost', () => {
  let sales: Sale[];

  beforeEach(async () => {
    sales = await Promise.all(shards.map((shard) => context.insertSale({ shard, seckillStock: UNITS })));
    await Promise.all(sales.map(untilOpen));
  }, 60_000);

  it.each<[string, number, (master: ClusterMaster) => unknown, (master: ClusterMaster) => unknown]>([
    ['the first is killed', 0, (master) => master.kill(), (master) => master.restart()],
    ['the second is killed', 1, (master) => master.kill(), (master) => master.restart()],
    ['the third is killed', 2, (master) => master.kill(), (master) => master.restart()],
    ['the second hangs', 1, (master) => master.freeze(), (master) => master.thaw()],
  ])(
    '%s: its sales answer 503 and come back with it; the others go on as ever',
    async (_, lost, takeAway, bringBack) => {
      const token = await shoppers.token(sales[lost]!.id, 'late');
      const crowds = await Promise.all(sales.map(openCrowd));
      const [ofLost, ...ofOthers] = [crowds[lost]!, ...crowds.filter((_crowd, i) => i !== lost)];
      await Promise.all(crowds.map((crowd) => crowd.start()));
      await takeAway(cluster.masters[lost]!);
      try {
        const askedMs = performance.now();
        const refused = await shoppers.buy(ofLost.sale.id, 'late', token);
        expect([refused.status, outcomeOf(refused)]).toEqual([503, { code: 'unavailable' }]);
        expect(performance.now() - askedMs).toBeLessThan(REFUSED_MS_MAX);

        for (const crowd of ofOthers) {
          await crowd.untilSoldOut();
          // Background services run there: warm-up loads a sale, returns gives a unit back.
          await untilOpen(await context.insertSale({ shard: crowd.sale.shard }));
          const orders = await context.db
            .selectFrom('orders')
            .selectAll()
            .where('product_id', '=', crowd.sale.id)
            .execute();
          const { order_no: orderNo, user_id: userId } = orders[0]!;
          const cancelled = await shoppers.call('POST', `/api/v1/orders/${orderNo}/cancel`, { user_id: userId });
          expect(cancelled.status).toBe(200);
          await vi.waitFor(async () => {
            const { body } = await shoppers.call('GET', `/api/v1/products/${crowd.sale.id}`);
            expect(JSON.parse(body)).toMatchObject({ available: 1 });
          }, SOON);
        }
        for (const { ready } of [...service.apis, ...service.workers])
          expect(await answersReady(ready.ops_port!)).toBe(200);
      } finally {
        await bringBack(cluster.masters[lost]!);
      }
      await ofLost.untilSoldOut();
    },
    120_000,
  );
});
