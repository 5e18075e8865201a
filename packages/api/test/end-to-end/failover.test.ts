import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PrivateServer } from '../../../../infra/src/services/private-server.ts';
import { startRedis } from '../../../../infra/src/services/redis.ts';
import { startSentinel } from '../../../../infra/src/services/redis-sentinel.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';
import { openOwnFolder, type OwnFolder } from '@flash-sale/shared/testing/own-folder.ts';
import { expectPromisesKept, watchConservation } from './promises.ts';
import { startService, type Service } from '../../testing/service.ts';
import { each, outcomeOf, Shoppers } from '../../testing/shoppers.ts';

const UNITS = 100;
const SHOPPERS = 200;
const AT_ONCE = 50;
/** After how many 202s the master goes: in the middle of the sale. */
const STRUCK_AFTER = 40;
const MASTER_NAME = 'flash';
const PASSWORD = 'ownRedis';
const SENTINEL_PASSWORD = 'ownSentinel';
/** A machine that is busy with other tests also stalls for a while. */
const DOWN_AFTER_MS = 3_000;
/** Until a Sentinel has seen what it needs to see, on a machine that is busy with other tests. */
const SEEN = { timeout: 40_000, interval: 50 };

let folder: OwnFolder;
let master: PrivateServer;
let replica: PrivateServer;
let toMaster: Redis;
let toReplica: Redis;
let context: TestContext;
let service: Service;
let shoppers: Shoppers;

/** A separate connection to one server, in any role. */
function connectTo({ port }: PrivateServer, password = PASSWORD): Redis {
  return new Redis({ port, password, commandTimeout: 5_000 }).on('error', () => undefined);
}

/** Resolves when the replica follows its master, and the Sentinel knows it. */
async function inStep(toSentinel: Redis): Promise<void> {
  // By default, a Sentinel needs up to 18 s to make a replica of a master that comes back.
  await toSentinel.call('SENTINEL', 'DEBUG', 'INFO-PERIOD', '1000', 'PUBLISH-PERIOD', '500');
  await vi.waitFor(async () => expect(await toReplica.info('replication')).toContain('master_link_status:up'), SEEN);
  await vi.waitFor(async () => {
    expect(await toSentinel.call('SENTINEL', 'REPLICAS', MASTER_NAME)).toHaveLength(1);
  }, SEEN);
  toSentinel.disconnect();
}

beforeEach(async () => {
  folder = openOwnFolder();
  const { dataDir } = folder;
  master = await startRedis({ dataDir, name: 'redis-1', password: PASSWORD });
  const flags = ['--replicaof', `127.0.0.1 ${master.port}`];
  replica = await startRedis({ dataDir, name: 'redis-2', password: PASSWORD, flags });
  const sentinel = await startSentinel({
    dataDir,
    name: 'sentinel',
    master: { name: MASTER_NAME, port: master.port, password: PASSWORD },
    quorum: 1,
    downAfterMs: DOWN_AFTER_MS,
    password: SENTINEL_PASSWORD,
  });
  toMaster = connectTo(master);
  toReplica = connectTo(replica);
  await inStep(connectTo(sentinel, SENTINEL_PASSWORD));

  context = await openTestContext({
    // Nobody may go there.
    REDIS_ADDR: '127.0.0.1:1',
    REDIS_PASSWORD: PASSWORD,
    REDIS_URL: `redis://${MASTER_NAME}`,
    REDIS_SENTINELS: `:${SENTINEL_PASSWORD}@127.0.0.1:${sentinel.port}`,
  });
  context.redis.on('error', () => undefined);
  service = await startService(context, { apis: 1, workers: 1 });
  shoppers = new Shoppers(service.url);
}, 120_000);

afterEach(async () => {
  await service.stop();
  shoppers.close();
  toMaster.disconnect();
  toReplica.disconnect();
  await context.close();
  await folder.close();
}, 120_000);

const roleOf = async (redis: Redis): Promise<unknown> => (await redis.role())[0];
const promoted = () => vi.waitFor(async () => expect(await roleOf(toReplica)).toBe('master'), SEEN);

describe('Sentinel promotes the replica in mid-sale', () => {
  it.each<[string, () => void]>([
    ['is killed', () => master.kill('SIGKILL')],
    ['hangs, and comes back as a replica', () => master.kill('SIGSTOP')],
  ])(
    'and the sale goes on by itself, with nothing oversold, when the master %s',
    async (how, strike) => {
      const id = await shoppers.openSale(UNITS);
      const crowd = Array.from({ length: SHOPPERS }, (_, i) => `shopper${i}`);
      const tokens = await each(crowd, AT_ONCE, (user) => shoppers.token(id, user));
      const accepted = new Map<string, string>();
      const watch = watchConservation(context, id);
      let isStruck = false;
      const outcomes = await each(crowd, AT_ONCE, (user, i) =>
        shoppers.buyUntilDecided(id, user, tokens[i]!, (orderNo) => {
          accepted.set(orderNo, user);
          if (accepted.size < STRUCK_AFTER || isStruck) return;
          isStruck = true;
          strike();
        }),
      );
      await promoted();
      const refused = new Set(
        outcomes.filter(({ order_no: orderNo }) => orderNo === undefined).map(({ code }) => code),
      );
      expect(refused).toEqual(new Set(['sold_out']));

      // Accepted orders that had not reached the replica are lost, and counted separately.
      const kept = new Map<string, string>();
      await each([...accepted], AT_ONCE, async ([orderNo, user]) => {
        const end = await shoppers.settled(orderNo);
        expect(end).toMatch(/^(pending_payment|not_found)$/);
        if (end === 'pending_payment') kept.set(orderNo, user);
      });
      expect(kept.size).toBe(UNITS);
      expect(await watch.stop()).toMatchObject({ violations: [] });
      await expectPromisesKept(context, { id, seckill_stock: UNITS, sold: UNITS }, kept);

      if (!how.startsWith('hangs')) return;
      master.kill('SIGCONT');
      await vi.waitFor(async () => expect(await roleOf(toMaster)).toBe('slave'), SEEN);
      const late = outcomeOf(await shoppers.buy(id, 'late', await shoppers.token(id, 'late')));
      expect(late).toEqual({ code: 'sold_out' });
      await expectPromisesKept(context, { id, seckill_stock: UNITS, sold: UNITS }, kept);
    },
    90_000,
  );

  it('orders of the ledger or the replica are kept; a lost one answers 503 until that is certain, then 404', async () => {
    const buyers = (name: string) => Array.from({ length: 10 }, (_, i) => `${name}${i}`);
    const id = await shoppers.openSale(50);
    const buyAll = (users: readonly string[]) =>
      each(users, AT_ONCE, async (user) => {
        const { order_no: orderNo } = outcomeOf(await shoppers.buy(id, user, await shoppers.token(id, user)));
        return [orderNo!, user] as const;
      });
    const inLedger = await buyAll(buyers('ledger'));
    for (const [orderNo] of inLedger) expect(await shoppers.settled(orderNo)).toBe('pending_payment');

    await Promise.all(service.workers.map((worker) => worker.kill()));
    const onReplica = await buyAll(buyers('replica'));
    expect(await toMaster.wait(1, 10_000)).toBe(1);
    // Cut off, as by a network that fails between the two: it cannot come back to its master.
    await toReplica.config('SET', 'masterauth', 'wrong');
    await toReplica.call('CLIENT', 'KILL', 'TYPE', 'master');
    await vi.waitFor(async () => expect(await toMaster.info('replication')).toContain('connected_slaves:0'), SEEN);
    const nowhere = await buyAll(buyers('lost'));
    master.kill('SIGKILL');
    await promoted();

    // Nobody has checked the promoted one against the ledger yet.
    const [lost] = nowhere[0]!;
    await vi.waitFor(async () => {
      const { status, body } = await shoppers.call('GET', `/api/v1/orders/${lost}`);
      expect({ status, body: JSON.parse(body) }).toMatchObject({ status: 503, body: { code: 'not_ready' } });
    }, SEEN);
    expect((await shoppers.call('GET', `/api/v1/orders/${inLedger[0]![0]}`)).status).toBe(200);

    await service.addWorker();
    const ends = (orders: readonly (readonly [string, string])[]) =>
      each(orders, AT_ONCE, ([orderNo]) => shoppers.settled(orderNo)).then((all) => new Set(all));
    expect(await ends(inLedger)).toEqual(new Set(['pending_payment']));
    expect(await ends(onReplica)).toEqual(new Set(['pending_payment']));
    expect(await ends(nowhere)).toEqual(new Set(['not_found']));
    // Their units are for sale, to them as to anybody.
    const again = await buyAll(buyers('lost'));
    const kept = new Map([...inLedger, ...onReplica, ...again]);
    await ends(again);
    await expectPromisesKept(context, { id, seckill_stock: 50, sold: 30 }, kept);
  }, 150_000);
});

it('with min-replicas-to-write a master that lost its replica accepts nothing, so that nothing can be lost', async () => {
  const id = await shoppers.openSale(50);
  const token = await shoppers.token(id, 'alice');
  await toMaster.config('SET', 'min-replicas-to-write', '1');
  await toReplica.config('SET', 'masterauth', 'wrong');
  await toReplica.call('CLIENT', 'KILL', 'TYPE', 'master');
  await vi.waitFor(async () => expect(await toMaster.info('replication')).toContain('connected_slaves:0'), SEEN);
  expect(outcomeOf(await shoppers.buy(id, 'alice', token))).toEqual({ code: 'unavailable' });
  expect(await toMaster.hlen(context.keys.sale({ id, shard: 0 }).owners)).toBe(0);

  await toReplica.config('SET', 'masterauth', PASSWORD);
  const outcome = await shoppers.buyUntilDecided(id, 'alice', token, () => undefined);
  expect(await shoppers.settled(outcome.order_no!)).toBe('pending_payment');
}, 120_000);
