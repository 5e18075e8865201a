import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Queue } from 'bullmq';
import { findSale } from '@flash-sale/shared/sale/products-table.ts';
import { newBatchNo, newOrderNumber } from '@flash-sale/shared/order/order-number.ts';
import { KEPT_AFTER_END_MS, type Sale } from '@flash-sale/shared/sale/sale.ts';
import { ORDERS_QUEUE, type WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { auditSale } from '@flash-sale/shared/reconciliation/audit.ts';
import { endSale, topUpSale } from '@flash-sale/shared/reconciliation/change.ts';
import { acquireLease, withStampedLease } from '@flash-sale/shared/sale/lease.ts';
import { loadSale, rebuildSale } from '@flash-sale/shared/reconciliation/rebuild.ts';
import { repairSale } from '@flash-sale/shared/reconciliation/repair.ts';
import { newAttempt, newItem, recordToken, send, takeLease } from '@flash-sale/shared/testing/buying.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { SaleWriter } from '../../src/order-writer/sale-writer.ts';
import { auditor } from '../../src/services/auditor.ts';
import { cleanUp } from '../../src/services/clean-up.ts';
import { figures } from '../../src/services/figures.ts';
import { relay } from '../../src/services/relay.ts';
import { returns } from '../../src/services/returns.ts';
import { warmUp } from '../../src/services/warm-up.ts';
import { settleOrders } from '../shoppers.ts';

const GOING_ON = new AbortController().signal;

let context: TestContext;
let queue: Queue<WriteOrdersJob>;
beforeAll(async () => {
  context = await openTestContext();
  const connection = connectRedis(context.config, 'producer');
  queue = new Queue<WriteOrdersJob>(ORDERS_QUEUE, { connection, prefix: context.keys.queuePrefix(0) });
  return async () => {
    await queue.close();
    connection.disconnect();
  };
});
afterAll(() => context.close());

/** The sale as a service with an older list of sales still has it. */
let sale: Sale;
beforeEach(async () => {
  const endMs = Date.now() - KEPT_AFTER_END_MS - 1_000;
  sale = await context.openSale({ startMs: endMs - 1_000, endMs });
  await cleanUp({ ...context, shard: 0 }).round(GOING_ON);
});

const keysOfSale = () => context.redis.keys(`${context.config.REDIS_PREFIX}*:${sale.id}:*`);

/**
 * What a service works with: the list in which the sale still is, so that it is new to it that the
 * sale is gone.
 */
const older = () => {
  const { commands, db, log, redis, keys, metrics } = context;
  const sales = { current: () => Promise.resolve([sale]) };
  return { commands, db, log, redis, keys, metrics, sales, shard: 0, queue: () => queue };
};
const wait = { waitMs: 1_000 };
const refused = async (work: Promise<unknown>): Promise<void> => {
  await expect(work).rejects.toMatchObject({ code: 'ended' });
};

test.each<[string, () => Promise<unknown>]>([
  ['issueTokens', () => recordToken(context, sale, 'u1', 'token', { lifeMs: 60_000, tokensPerUnit: 2 })],
  [
    'admit',
    async () => {
      const attempt = await newAttempt(context, sale, []);
      const items = [await newItem(context, sale, 'u1', { token: 'token' })];
      expect(await send(context, { ...attempt, items })).toEqual([{ outcome: 'not_ready' }]);
    },
  ],
  ['setPause', () => context.commands.setPause(sale, 7, true)],
  ['setOutcomes', () => context.commands.setOutcomes(sale, 'api', new Map([['sold_out', 7]]))],
  ['markChanged', () => context.commands.markChanged(sale, [{ orderNo: newOrderNumber(sale, newBatchNo(1)) }])],
  ['a lease of what Redis keeps', () => acquireLease(context.commands, sale, 50, { of: 'loaded' })],
  [
    'a stamped lease',
    async () => {
      const work = () => Promise.reject(new Error('the work ran'));
      expect(await withStampedLease(context, sale, 1_000, work)).toBeUndefined();
    },
  ],
  ['loadSale', () => loadSale(context, sale, 1_000)],
  ['rebuildSale', () => rebuildSale(context, sale, 1_000)],
  ['topUpSale', () => refused(topUpSale(context, sale, { seckillStock: 1_000 }, wait))],
  [
    'endSale',
    async () => {
      expect(await endSale(context, sale, wait)).toMatchObject({ id: sale.id, endMs: sale.endMs });
    },
  ],
  ['auditSale', () => auditSale(context, sale, { ...wait, thorough: true })],
  ['repairSale', () => repairSale(context, 0, { saleId: sale.id, findings: [] } as never, 1_000)],
  ['warm-up', () => warmUp(older()).round(GOING_ON)],
  ['relay', () => relay(older()).round(GOING_ON)],
  ['auditor', () => auditor(older()).round(GOING_ON)],
  ['figures', () => figures(older()).round(GOING_ON)],
  [
    'returns',
    async () => {
      const orderNo = newOrderNumber(sale, newBatchNo(1));
      const row = { order_no: orderNo, product_id: sale.id, user_id: 'ann', created_at: new Date(), applied_at: null };
      await context.db.insertInto('stock_returns').values(row).execute();
      await returns(older()).round(GOING_ON);
    },
  ],
  [
    'order writer',
    async () => {
      const deps = { ...older(), orderBatchMax: 500, paymentTimeoutMs: 900_000, orderEvents: false };
      await settleOrders(new SaleWriter(deps, sale), [newOrderNumber(sale, newBatchNo(1))]);
    },
  ],
])('nothing of a cleaned sale comes back by %s', async (_, call) => {
  expect(await findSale(context.db, sale.id)).toMatchObject({ cleaned: true });
  expect(await keysOfSale()).toEqual([]);
  await call();
  expect(await keysOfSale()).toEqual([]);
});

test('processes that wait for its lease during the clean-up do not create any of its keys again', async () => {
  const endMs = Date.now() - KEPT_AFTER_END_MS - 1_000;
  sale = await context.openSale({ startMs: endMs - 1_000, endMs });
  const held = (await acquireLease(context.commands, sale, 1_000))!;
  const cleaning = cleanUp({ ...context, shard: 0 }).round(GOING_ON);
  const loading = [1, 2, 3].map(() => rebuildSale(context, sale, 5_000));
  await expect.poll(() => context.redis.exists(context.keys.sale(sale).leaseWaiting)).toBe(1);
  await held.release();
  await Promise.all([cleaning, ...loading]);
  await cleanUp({ ...context, shard: 0 }).round(GOING_ON);
  // A wait is forgotten within a moment.
  await expect.poll(keysOfSale).toEqual([]);
});

test('a sale whose deletion ended after its commit leaves nothing in Redis', async () => {
  const deleted = await context.openSale();
  const lease = await takeLease(context, deleted, 3_000);
  await context.commands.beginChange(deleted, lease);
  await context.db.deleteFrom('products').where('id', '=', deleted.id).execute();
  await context.commands.releaseLease(deleted, lease);

  await cleanUp({ ...context, shard: 0 }).round(GOING_ON);

  expect(await context.redis.keys(`${context.config.REDIS_PREFIX}*:${deleted.id}:*`)).toEqual([]);
  expect(await context.redis.smembers(context.keys.stopped(0))).not.toContain(String(deleted.id));
});
