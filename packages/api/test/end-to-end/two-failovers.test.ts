import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { PrivateServer } from '../../../../infra/src/services/private-server.ts';
import { startRedis } from '../../../../infra/src/services/redis.ts';
import { auditSale } from '@flash-sale/shared/reconciliation/audit.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';
import { openOwnFolder, type OwnFolder } from '@flash-sale/shared/testing/own-folder.ts';
import { startService, type Service } from '../../testing/service.ts';
import { each, outcomeOf, Shoppers } from '../../testing/shoppers.ts';

const UNITS = 100;
const AT_ONCE = 10;
const SEEN = { timeout: 40_000, interval: 50 };

let folder: OwnFolder;
let servers: PrivateServer[];
let context: TestContext;
let service: Service;
let shoppers: Shoppers;
let toMaster: Redis;
let toReplica: Redis;

beforeAll(async () => {
  folder = openOwnFolder();
  const { dataDir } = folder;
  const master = await startRedis({ dataDir, name: 'redis-1' });
  const replica = await startRedis({ dataDir, name: 'redis-2', flags: ['--replicaof', `127.0.0.1 ${master.port}`] });
  servers = [master, replica];
  const connectTo = ({ port }: PrivateServer) => new Redis({ port }).on('error', () => undefined);
  [toMaster, toReplica] = [connectTo(master), connectTo(replica)];
  await isInStep(toReplica);
  context = await openTestContext({ REDIS_ADDR: `127.0.0.1:${master.port}`, REDIS_PASSWORD: '' });
  context.redis.on('error', () => undefined);
  service = await startService(context, { apis: 1, workers: 1 });
  shoppers = new Shoppers(service.url);
}, 120_000);

afterAll(async () => {
  await service.stop();
  shoppers.close();
  toMaster.disconnect();
  toReplica.disconnect();
  await context.close();
  await folder.close();
}, 120_000);

const isInStep = (replica: Redis) =>
  vi.waitFor(async () => expect(await replica.info('replication')).toContain('master_link_status:up'), SEEN);

it('a master that comes back with the data of the server that was promoted beside it sells nothing from them', async () => {
  const id = await shoppers.openSale(UNITS);
  const sale = { id, shard: 0 };
  const buyAll = (users: readonly string[]) =>
    each(users, AT_ONCE, async (user) => {
      const token = await shoppers.token(id, user);
      const { order_no: orderNo } = outcomeOf(await shoppers.buy(id, user, token));
      return { user, token, order_no: orderNo! };
    });
  const users = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}${i}`);
  const early = await buyAll(users('early', 10));
  for (const { order_no: orderNo } of early) expect(await shoppers.settled(orderNo)).toBe('pending_payment');
  expect(await toMaster.wait(1, 10_000)).toBe(1);

  // Cut off and promoted; the master knows nothing of it and goes on.
  const runIdOf = async (redis: Redis) => /run_id:(\w+)/.exec(await redis.info('server'))![1];
  const before = await runIdOf(toMaster);
  await toReplica.replicaof('NO', 'ONE');
  const [{ order_no: cancelled, user: canceller }] = early as [(typeof early)[0]];
  const cancel = await shoppers.call('POST', `/api/v1/orders/${cancelled}/cancel`, { user_id: canceller });
  expect(cancel.status).toBe(200);
  const later = await buyAll(users('later', 30));
  for (const { order_no: orderNo } of later) expect(await shoppers.settled(orderNo)).toBe('pending_payment');

  // The master becomes a replica of the promoted one, and then takes its place.
  await toMaster.replicaof('127.0.0.1', String(servers[1]!.port));
  await isInStep(toMaster);
  await toMaster.replicaof('NO', 'ONE');
  expect(await runIdOf(toMaster)).toBe(before);

  const again = await each(later, AT_ONCE, ({ user, token }) =>
    shoppers.buyUntilDecided(id, user, token, () => undefined),
  );
  expect(again).toEqual(later.map(({ order_no: orderNo }) => ({ order_no: orderNo })));
  const poll = await vi.waitFor(async () => {
    const answer = await shoppers.call('GET', `/api/v1/orders/${cancelled}`);
    expect(answer.status).toBe(200);
    return answer;
  }, SEEN);
  expect(JSON.parse(poll.body)).toMatchObject({ status: 'cancelled' });
  await vi.waitFor(async () => {
    const answer = await shoppers.call('GET', `/api/v1/products/${id}`);
    expect(JSON.parse(answer.body)).toMatchObject({ available: UNITS - 39 });
  }, SEEN);
  const audit = await auditSale(context, sale, { waitMs: 10_000, thorough: true });
  expect(audit).toMatchObject({ verdict: 'clean', held: 39, liveOrders: 39, available: UNITS - 39 });
}, 120_000);
