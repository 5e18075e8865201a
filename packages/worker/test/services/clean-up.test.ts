import { sql } from 'kysely';
import { expect, it } from 'vitest';
import { findSale, salesToKeep } from '@flash-sale/shared/sale/products-table.ts';
import { readCounters } from '@flash-sale/shared/sale/sale-counters-table.ts';
import { newBatchNo, newOrderNumber } from '@flash-sale/shared/order/order-number.ts';
import { KEPT_AFTER_END_MS, type Sale } from '@flash-sale/shared/sale/sale.ts';
import { acquireLease } from '@flash-sale/shared/sale/lease.ts';
import { rebuildSale } from '@flash-sale/shared/reconciliation/rebuild.ts';
import { testContext } from '@flash-sale/shared/testing/support.ts';
import { cleanUp } from '../../src/services/clean-up.ts';

const context = await testContext();

const longEnded = (): Promise<Sale> => {
  const endMs = Date.now() - KEPT_AFTER_END_MS - 1_000;
  return context.openSale({ startMs: endMs - 1_000, endMs });
};
const cleanUpOnce = () => cleanUp({ ...context, shard: 0 }).round(new AbortController().signal);
const keysOf = (sale: Sale) => context.redis.exists(context.keys.sale(sale).state, context.keys.sale(sale).owners);

it('a day after the end the keys of a sale are deleted, and it is not rebuilt', async () => {
  const sale = await longEnded();
  await context.commands.setOutcomes(sale, 'api', new Map([['sold_out', 7]]));

  await cleanUpOnce();

  const kept = { name: 'outcome:sold_out', bucket: 0, value: 7 };
  await expect(readCounters(context.db, sale.id)).resolves.toContainEqual(kept);
  await expect(keysOf(sale)).resolves.toBe(0);
  await expect(findSale(context.db, sale.id)).resolves.toMatchObject({ cleaned: true });
  expect((await salesToKeep(context.db)).map(({ id }) => id)).not.toContain(sale.id);
  await expect(rebuildSale(context, sale, 1_000)).resolves.toBeUndefined();
  await expect(keysOf(sale)).resolves.toBe(0);
});

it('a cleaned sale that comes back with old data of Redis is cleaned again, with its reservations: the relay offered them for ever', async () => {
  const clean = cleanUp({ ...context, shard: 0 });
  const round = () => clean.round(new AbortController().signal);
  const [sale, reserved] = [await longEnded(), await longEnded()];
  const names = (of: Sale) => Object.values(context.keys.sale(of));
  const dumpOf = async (of: Sale) => {
    const found = await Promise.all(
      names(of).map(async (name) => [name, await context.redis.dumpBuffer(name)] as const),
    );
    return found.filter(([, dump]) => dump !== null);
  };
  const batchNo = newBatchNo(1);
  const { batchTimes, batches } = context.keys.sale(reserved);
  await context.redis.zadd(batchTimes, 1, batchNo);
  await context.redis.hset(batches, batchNo, `1 1999 1\n${newOrderNumber(reserved, batchNo)} ann r-1`);
  const dumps = [...(await dumpOf(sale)), ...(await dumpOf(reserved))];
  await context.redis.del(batchTimes, batches);
  await round();
  for (const of of [sale, reserved]) await expect(context.redis.exists(...names(of))).resolves.toBe(0);

  // An older AOF, or a replica that was behind.
  for (const [name, dump] of dumps) await context.redis.restore(name, 0, dump);
  await context.redis.zadd(context.keys.outbox(0), 1, reserved.id);
  await context.redis.del(context.keys.mark(0));
  await round();
  for (const of of [sale, reserved]) await expect(context.redis.exists(...names(of))).resolves.toBe(0);
  await expect(context.commands.outbox(0)).resolves.toEqual([]);

  // Reservations are found in the same history as well.
  for (const [name, dump] of dumps) await context.redis.restore(name, 0, dump);
  await context.redis.zadd(context.keys.outbox(0), 1, reserved.id);
  await round();
  await expect(context.redis.exists(...names(reserved))).resolves.toBe(0);
  await expect(context.commands.outbox(0)).resolves.toEqual([]);
});

it('a sale that ended less than a day ago stays', async () => {
  const endMs = Date.now() - KEPT_AFTER_END_MS + 60_000;
  const sale = await context.openSale({ startMs: endMs - 1_000, endMs });

  await cleanUpOnce();

  await expect(keysOf(sale)).resolves.toBe(1);
});

it('a sale with a reservation, an unpaid order or a due return stays until that is done', async () => {
  const reserved = await longEnded();
  const { batchTimes } = context.keys.sale(reserved);
  await context.redis.zadd(batchTimes, 1, newBatchNo(1));
  const unpaid = await longEnded();
  await sql`INSERT INTO orders (order_no, product_id, user_id, status, price_cents, created_at, updated_at)
    VALUES (${newOrderNumber(unpaid, newBatchNo(1))}, ${unpaid.id}, 'ann', 'pending_payment', 1, NOW(3), NOW(3))`.execute(
    context.db,
  );
  const due = await longEnded();
  await sql`INSERT INTO stock_returns (order_no, product_id, user_id, created_at)
    VALUES (${newOrderNumber(due, newBatchNo(1))}, ${due.id}, 'ann', NOW(3))`.execute(context.db);

  await cleanUpOnce();
  for (const sale of [reserved, unpaid, due]) await expect(keysOf(sale)).resolves.toBe(1);

  await context.redis.del(batchTimes);
  await sql`UPDATE orders SET status = 'paid' WHERE product_id = ${unpaid.id}`.execute(context.db);
  await sql`UPDATE stock_returns SET applied_at = NOW(3) WHERE product_id = ${due.id}`.execute(context.db);
  await cleanUpOnce();
  for (const sale of [reserved, unpaid, due]) await expect(keysOf(sale)).resolves.toBe(0);
});

it('a sale stays if a reservation became an unpaid order during the wait for the lease', async () => {
  const sale = await longEnded();
  const lease = (await acquireLease(context.commands, sale, 1_000))!;
  const cleaning = cleanUpOnce();
  await expect.poll(() => context.redis.exists(context.keys.sale(sale).leaseWaiting)).toBe(1);
  const orderNo = newOrderNumber(sale, newBatchNo(1));
  await sql`INSERT INTO orders (order_no, product_id, user_id, status, price_cents, created_at, updated_at)
    VALUES (${orderNo}, ${sale.id}, 'ann', 'pending_payment', 1, NOW(3), NOW(3))`.execute(context.db);
  await lease.release();
  await cleaning;
  await expect(keysOf(sale)).resolves.toBe(1);
  await expect(findSale(context.db, sale.id)).resolves.toMatchObject({ cleaned: false });
});
