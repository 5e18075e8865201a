import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { sql } from 'kysely';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { connectRedis, type RedisClient } from '@flash-sale/shared/platform/redis/client.ts';
import { createCommands } from '@flash-sale/shared/commands.ts';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { auditSale } from '@flash-sale/shared/reconciliation/audit.ts';
import { topUpSale } from '@flash-sale/shared/reconciliation/change.ts';
import { claimShard, ledgerName } from '@flash-sale/shared/reconciliation/claim-shard.ts';
import { keySpaceOf } from '@flash-sale/shared/sale/redis-histories-table.ts';
import { LeaseLost } from '@flash-sale/shared/sale/lease.ts';
import { loadSale, rebuildSale } from '@flash-sale/shared/reconciliation/rebuild.ts';
import type { PrivateServer } from '../../../../infra/src/services/private-server.ts';
import { startRedis } from '../../../../infra/src/services/redis.ts';
import { openOwnFolder, type OwnFolder } from '@flash-sale/shared/testing/own-folder.ts';
import { placeOrders } from '@flash-sale/shared/testing/ordering.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { SaleWriter } from '../../src/order-writer/sale-writer.ts';
import { histories } from '../../src/services/histories.ts';
import { returns } from '../../src/services/returns.ts';
import { warmUp } from '../../src/services/warm-up.ts';
import { readLedger } from '../ledger.ts';
import { admitAll, shoppers, settleOrders } from '../shoppers.ts';

const GOING_ON = new AbortController().signal;

let folder: OwnFolder;
let servers: PrivateServer[];
/** The worker that is still on the old master. */
let old: TestContext;
/** The one that follows to the promoted server: the same ledger, another Redis. */
let promoted: TestContext;
let toPromoted: RedisClient;
let sale: Sale;
beforeEach(async () => {
  folder = openOwnFolder();
  const { dataDir } = folder;
  const master = await startRedis({ dataDir, name: 'redis-1' });
  const replica = await startRedis({ dataDir, name: 'redis-2', flags: ['--replicaof', `127.0.0.1 ${master.port}`] });
  servers = [master, replica];
  old = await openTestContext({ REDIS_ADDR: `127.0.0.1:${master.port}`, REDIS_PASSWORD: '' });
  toPromoted = connectRedis({ ...old.config, REDIS_ADDR: `127.0.0.1:${replica.port}` }, 'background');
  promoted = { ...old, redis: toPromoted, commands: createCommands(toPromoted, old.keys) };
  sale = await old.openSale({ seckillStock: 10 });
  await serve(old);
  await vi.waitFor(async () => {
    if (!(await toPromoted.info('replication')).includes('master_link_status:up')) throw new Error('not in step');
  }, 20_000);
  await old.redis.call('WAIT', '1', '10000');
  await toPromoted.call('REPLICAOF', 'NO', 'ONE');
}, 60_000);
afterEach(async () => {
  toPromoted.disconnect();
  await old.close();
  await Promise.all(servers.map((server) => server.stop()));
  await folder.close();
}, 60_000);

const serviceDeps = ({ commands, db, log, metrics }: TestContext) => ({ commands, db, log, metrics, shard: 0 });
const giveBack = (worker: TestContext) => returns(serviceDeps(worker)).round(GOING_ON);
const load = (worker: TestContext) =>
  warmUp({ ...serviceDeps(worker), sales: { current: () => Promise.resolve([sale]) } }).round(GOING_ON);
const live = (worker: TestContext) => worker.commands.readSale(sale);
const writer = (worker: TestContext) =>
  new SaleWriter({ ...serviceDeps(worker), orderBatchMax: 500, paymentTimeoutMs: 900_000, orderEvents: false }, sale);
/** A round of the service that records which Redis a worker serves. */
const serve = async (worker: TestContext): Promise<void> => {
  const { redis, keys, db, config } = worker;
  const end = (reason: Error) => Promise.reject(reason);
  const ledger = await ledgerName(db);
  const claim = (shard: number) => claimShard({ redis, keys }, shard, ledger);
  await histories({ ...serviceDeps(worker), keySpace: keySpaceOf(config), claim, end }).round(GOING_ON);
};
/** As if no worker had served this worker's Redis for a while. */
const leave = async (worker: TestContext): Promise<void> => {
  const { historyId } = await worker.commands.clock(0);
  await sql`UPDATE redis_histories SET seen_at = seen_at - INTERVAL 1 MINUTE WHERE history_id = ${historyId}`.execute(
    worker.db,
  );
};

describe('beside a promoted server', () => {
  test('a worker on the old master marks no return that the new master never had', async () => {
    await load(promoted);
    const [order] = await placeOrders(promoted, sale, ['alice', 'bob']);
    await cancelOrder(promoted, order!, { actor: 'shopper' });

    await giveBack(old);
    expect((await readLedger(old.db, sale)).returns).toEqual([{ order_no: order!.orderNo, applied: false }]);
    await giveBack(promoted);
    expect((await readLedger(old.db, sale)).returns).toEqual([{ order_no: order!.orderNo, applied: true }]);
    expect(await live(promoted)).toMatchObject({ ready: true, available: 9, held: 1 });
    const audit = await auditSale(promoted, sale, { waitMs: 1_000, thorough: true });
    expect(audit).toMatchObject({ verdict: 'clean' });
  });

  test('a worker on the old master that was frozen while the other one was loaded marks none either', async () => {
    const [closed, other] = await placeOrders(old, sale, ['alice', 'bob']);
    await cancelOrder(old, closed!, { actor: 'shopper' });
    const deps = serviceDeps(old);
    const asleep = {
      ...deps.commands,
      async giveBack(...args: Parameters<typeof deps.commands.giveBack>) {
        // Its lease is stamped; the other server is loaded meanwhile, and another order closes
        // there.
        await rebuildSale(promoted, sale, 5_000);
        await cancelOrder(promoted, other!, { actor: 'shopper' });
        return deps.commands.giveBack(...args);
      },
    };
    await returns({ ...deps, commands: asleep }).round(GOING_ON);

    const returnsOf = async () => (await readLedger(old.db, sale)).returns.map(({ applied }) => applied);
    expect(await returnsOf()).toEqual([false, false]);
    await giveBack(promoted);
    expect(await returnsOf()).toEqual([true, true]);
    expect(await live(promoted)).toMatchObject({ ready: true, available: 10, held: 0 });
  });

  test('a worker on the old master writes no order, and stops the sale there, whose orders would never be written', async () => {
    await load(promoted);
    const orderNos = await admitAll(old, sale, shoppers(3));
    await expect(settleOrders(writer(old), orderNos)).rejects.toThrow(LeaseLost);
    expect((await readLedger(old.db, sale)).orders).toEqual([]);
    expect(await live(old)).toMatchObject({ ready: false });
    // The next rounds there leave it stopped, and leave the other one alone: they once stamped over
    // it four times a second.
    const fence = async () => (await readLedger(old.db, sale)).fence;
    const before = await fence();
    for (let i = 0; i < 3; i += 1) await load(old);
    expect(await fence()).toBe(before);
    expect(await live(old)).toMatchObject({ ready: false });
    expect(await live(promoted)).toMatchObject({ ready: true, available: 10 });
    const kept = await admitAll(promoted, sale, shoppers(2));
    await settleOrders(writer(promoted), kept);
    expect(await readLedger(old.db, sale)).toMatchObject({ sold: 2 });
  });

  test('a sale that is still sold on the old master is stopped there, without a stamp', async () => {
    await load(promoted);
    const { fence } = await old.db
      .selectFrom('products')
      .select('fence')
      .where('id', '=', sale.id)
      .executeTakeFirstOrThrow();
    expect(await live(old)).toMatchObject({ ready: true });
    // Its row changes, so that it is to be loaded.
    await old.db
      .updateTable('products')
      .set({ version: sql`version + 1` })
      .execute();
    await loadSale(old, sale, 1_000);
    expect(await live(old)).toMatchObject({ ready: false });
    expect(await old.db.selectFrom('products').select('fence').executeTakeFirstOrThrow()).toEqual({ fence });
  });

  test.each<[string, () => Promise<unknown>]>([
    ['audited', () => auditSale(old, sale, { waitMs: 1_000, thorough: true })],
    ['rebuilt', () => rebuildSale(old, sale, 1_000)],
    ['raised', () => topUpSale(old, sale, { seckillStock: 20 }, { waitMs: 1_000 })],
  ])('the sale is not %s on the old master', async (_, work) => {
    await load(promoted);
    expect(await work()).toBeUndefined();
    expect(await live(promoted)).toMatchObject({ ready: true, available: 10, version: 1 });
    const row = await old.db.selectFrom('products').selectAll().where('id', '=', sale.id).executeTakeFirstOrThrow();
    expect(row).toMatchObject({ seckill_stock: 10, history_id: (await promoted.commands.clock(0)).historyId });
  });

  test('the old master gets the sale again, rebuilt from the ledger, when no worker serves the other one', async () => {
    await load(promoted);
    const kept = await admitAll(promoted, sale, shoppers(2));
    await settleOrders(writer(promoted), kept);
    await serve(promoted);
    expect(await loadSale(old, sale, 1_000)).toBeUndefined();

    await leave(promoted);
    await load(old);
    expect(await live(old)).toMatchObject({ ready: true, available: 8, held: 2 });
    // And nothing is written from the other one any more.
    const lost = await admitAll(promoted, sale, ['late']);
    await expect(settleOrders(writer(promoted), lost)).rejects.toThrow(LeaseLost);
    expect(await readLedger(old.db, sale)).toMatchObject({ sold: 2 });
  });
});

describe('a worker whose Redis is suddenly another, empty one, such as by a change of DNS', () => {
  let empty: TestContext;
  let toEmpty: RedisClient;
  beforeEach(async () => {
    const server = await startRedis({ dataDir: folder.dataDir, name: 'redis-3' });
    servers.push(server);
    toEmpty = connectRedis({ ...old.config, REDIS_ADDR: `127.0.0.1:${server.port}` }, 'background');
    empty = { ...old, redis: toEmpty, commands: createCommands(toEmpty, old.keys) };
  });
  afterEach(() => toEmpty.disconnect());

  test('takes no sale from the workers on the right one', async () => {
    const waiting = await admitAll(old, sale, shoppers(3));
    await serve(empty);
    await load(empty);
    expect(await live(empty)).toMatchObject({ ready: false });
    expect(await empty.commands.isClaimed(0)).toBe(false);
    // The sale goes on in the right Redis, and a worker writes the orders that it accepted.
    expect(await live(old)).toMatchObject({ ready: true, available: 7 });
    await settleOrders(writer(old), waiting);
    expect(await readLedger(old.db, sale)).toMatchObject({ sold: 3 });
  });

  test('loads the sales from the ledger when nobody serves them elsewhere: nothing is sold twice', async () => {
    await settleOrders(writer(old), await admitAll(old, sale, shoppers(3)));
    await leave(old);
    await serve(empty);
    await load(empty);
    expect(await empty.commands.isClaimed(0)).toBe(true);
    expect(await live(empty)).toMatchObject({ ready: true, available: 7, held: 3 });
    // A worker that comes back to the first one sells nothing there, and writes nothing from there.
    const stray = await admitAll(old, sale, ['stray']);
    await expect(settleOrders(writer(old), stray)).rejects.toThrow(LeaseLost);
    await serve(empty);
    await load(old);
    expect(await live(old)).toMatchObject({ ready: false });
    expect(await readLedger(old.db, sale)).toMatchObject({ sold: 3 });
  });
});
