import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { insertOrders } from '../../src/order/orders-table.ts';
import { addSold, findSale, updatePaused } from '../../src/sale/products-table.ts';
import { insertStockReturns } from '../../src/order/stock-returns-table.ts';
import { newBatchNo, newOrderNumber } from '../../src/order/order-number.ts';
import type { Sale } from '../../src/sale/sale.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';
import { auditSale } from '../../src/reconciliation/audit.ts';
import { repairSale } from '../../src/reconciliation/repair.ts';
import { WAIT_MS, openSaleInOrder, orderOf, reserve, reserving } from './audited-sale.ts';

let context: TestContext;
let sale: Sale;

beforeAll(async () => {
  context = await openTestContext();
});
afterAll(() => context.close());

beforeEach(async () => {
  sale = await openSaleInOrder(context);
});

const audit = (thorough = false) => auditSale(context, sale, { waitMs: WAIT_MS, thorough });

it('a sale in order is clean, thoroughly or not', async () => {
  await expect(audit()).resolves.toMatchObject({
    verdict: 'clean',
    units: 10,
    available: 5,
    held: 5,
    reservations: 1,
    liveOrders: 3,
    sold: 3,
    unappliedReturns: 1,
    findings: [],
  });
  await expect(audit(true)).resolves.toMatchObject({ verdict: 'clean', findings: [] });
});

it('an order that has waited for the ledger for more than 30 s is late, with advice', async () => {
  const { batchTimes } = context.keys.sale(sale);
  const [waiting] = await context.redis.zrange(batchTimes, '0', '-1');
  await context.redis.zincrby(batchTimes, -29_000, waiting!);
  await expect(audit()).resolves.toMatchObject({ verdict: 'clean', findings: [] });

  await context.redis.zincrby(batchTimes, -12_000, waiting!);

  const found = await audit();
  expect(found?.verdict).toBe('late');
  expect(found?.findings).toEqual([expect.stringMatching(new RegExp(`${waiting} has waited 4\\d s .* repair`))]);
});

it('a reservation that is already in the ledger, after a crash before settling, is no drift', async () => {
  const orderNo = await reserve(context, sale, 'fay');
  await context.db.transaction().execute(async (tx) => {
    await insertOrders(tx, [{ ...orderOf(sale, 'fay', 'pending_payment'), orderNo }]);
    await addSold(tx, sale.id, 1);
  });

  await expect(audit()).resolves.toMatchObject({ verdict: 'clean', reservations: 2, liveOrders: 4 });
});

it('a failed order that never held a unit is no drift although its return is due', async () => {
  const failed = { ...orderOf(sale, 'gus', 'failed'), reason: 'not_owner' };
  await context.db.transaction().execute(async (tx) => {
    await insertOrders(tx, [failed]);
    await insertStockReturns(tx, [failed], Date.now());
  });

  await expect(audit()).resolves.toMatchObject({ verdict: 'clean', unappliedReturns: 2 });
});

it('a sale that is not ready is skipped: a rebuild must come first', async () => {
  await context.redis.hset(context.keys.sale(sale).state, 'history_id', 'another');

  await expect(audit()).resolves.toMatchObject({ verdict: 'skipped', findings: [] });
});

it('shoppers who buy during an audit cause no drift', async () => {
  const buying = new AbortController();
  const buys = (async () => {
    await context.redis.hset(context.keys.sale(sale).state, 'available', '5');
    for (let i = 0; !buying.signal.aborted && i < 5; i += 1) {
      const orderNo = newOrderNumber(sale, newBatchNo(Date.now()));
      await reserving(context, sale, context.redis.multi(), `buyer-${i}`, orderNo).exec();
    }
  })();
  for (let i = 0; i < 5; i += 1) await expect(audit(true)).resolves.toMatchObject({ verdict: 'clean' });
  buying.abort();
  await buys;
});

describe('a drift is found and repaired', () => {
  const drifts: readonly {
    name: string;
    plant: () => Promise<unknown>;
    finding: RegExp;
    /** Only then a repair may build the index again, which blocks Redis. */
    isIndexWrong?: true;
  }[] = [
    {
      name: 'a unit too many',
      plant: () => context.redis.hincrby(context.keys.sale(sale).state, 'available', 1),
      finding: /available 6 \+ held 5/,
    },
    {
      name: 'a unit too few',
      plant: () => context.redis.hincrby(context.keys.sale(sale).state, 'available', -1),
      finding: /available 4 \+ held 5/,
    },
    {
      name: 'a lost owner, its unit free again',
      plant: async () => {
        await context.redis.hdel(context.keys.sale(sale).owners, 'ann');
        await context.redis.hincrby(context.keys.sale(sale).state, 'available', 1);
      },
      finding: /live order \S+ of ann has no owner entry/,
    },
    {
      name: 'an owner from nowhere',
      plant: async () => {
        await context.redis.hset(context.keys.sale(sale).owners, 'zoe', newOrderNumber(sale, newBatchNo(Date.now())));
        await context.redis.hincrby(context.keys.sale(sale).state, 'available', -1);
      },
      finding: /owner entry zoe names/,
    },
    {
      name: 'a lost batch',
      plant: async () => {
        const { batches, batchTimes } = context.keys.sale(sale);
        await context.redis.unlink(batches, batchTimes);
      },
      finding: /owner entry eve names \S+, which is no live order/,
      isIndexWrong: true,
    },
    {
      name: 'a batch without its place in the order of time',
      plant: () => context.redis.unlink(context.keys.sale(sale).batchTimes),
      finding: /batches 1 are not batch_times 0/,
      isIndexWrong: true,
    },
    {
      name: 'a wrong number of waiting orders',
      plant: () => context.redis.hincrby(context.keys.sale(sale).state, 'backlog', 2),
      finding: /backlog 3 is not the 1 orders of the batches/,
      isIndexWrong: true,
    },
    {
      name: 'a wrong number of sold units',
      plant: () => sql`UPDATE products SET sold = sold + 1 WHERE id = ${sale.id}`.execute(context.db),
      finding: /sold 4 is not the 3 units of live orders/,
    },
    {
      name: 'a pause that the ledger has lost',
      plant: async () => {
        const paused = (await updatePaused(context.db, sale.id, true))!;
        await context.commands.setPause(sale, paused.pauseVersion, true);
        await sql`UPDATE products SET paused = 0, pause_version = 0 WHERE id = ${sale.id}`.execute(context.db);
      },
      finding: /pause in Redis has version 1 and the row 0/,
    },
    {
      name: 'a return of a live order',
      plant: () =>
        sql`INSERT INTO stock_returns (order_no, product_id, user_id, created_at)
            SELECT order_no, product_id, user_id, created_at FROM orders
            WHERE product_id = ${sale.id} AND user_id = 'ann'`.execute(context.db),
      finding: /live order \S+ has an unapplied return/,
    },
    {
      name: 'a return that was marked without being given back',
      plant: () =>
        sql`UPDATE stock_returns SET applied_at = created_at WHERE product_id = ${sale.id}`.execute(context.db),
      finding: /owner entry dan names/,
    },
  ];

  it.each(drifts)('$name', async ({ plant, finding, isIndexWrong = false }) => {
    const indexBatches = vi.spyOn(context.commands, 'indexBatches');
    onTestFinished(() => indexBatches.mockRestore());
    await plant();
    const found = await audit();
    expect(found?.verdict).toBe('drift');
    expect(found?.findings.join('\n')).toMatch(finding);

    await expect(repairSale(context, sale.shard, found!, WAIT_MS)).resolves.toBe(true);

    expect(indexBatches).toHaveBeenCalledTimes(isIndexWrong ? 1 : 0);
    await expect(audit(true)).resolves.toMatchObject({ verdict: 'clean', findings: [] });
    const { findings } = await context.db
      .selectFrom('repairs')
      .select('findings')
      .where('product_id', '=', sale.id)
      .executeTakeFirstOrThrow();
    expect(findings).toMatch(finding);
  });
});

it('a pause that the ledger has lost is in the row again after the repair, and the sale can be resumed', async () => {
  const paused = (await updatePaused(context.db, sale.id, true))!;
  await context.commands.setPause(sale, paused.pauseVersion, true);
  await sql`UPDATE products SET paused = 0, pause_version = 0 WHERE id = ${sale.id}`.execute(context.db);

  await repairSale(context, sale.shard, (await audit())!, WAIT_MS);

  expect(await findSale(context.db, sale.id)).toMatchObject({ paused: true, pauseVersion: paused.pauseVersion });
  const resumed = (await updatePaused(context.db, sale.id, false))!;
  expect(await context.commands.setPause(sale, resumed.pauseVersion, false)).toBe(true);
});

describe('a fact that was changed by SQL, with the same version, is found; a repair uses the value of the row', () => {
  const edits: readonly [column: string, assignment: string, field: string, changed: (before: Sale) => number][] = [
    ['price_cents', 'price_cents = 2499', 'price_cents', () => 2_499],
    ['start_time', 'start_time = start_time - INTERVAL 1 SECOND', 'start_ms', ({ startMs }) => startMs - 1_000],
    ['end_time', 'end_time = end_time + INTERVAL 1 SECOND', 'end_ms', ({ endMs }) => endMs + 1_000],
    ['seckill_stock', 'stock = 12, seckill_stock = 12', 'total', () => 12],
  ];

  it.each(edits)('%s', async (_, assignment, field, changed) => {
    await sql`UPDATE products SET ${sql.raw(assignment)} WHERE id = ${sale.id}`.execute(context.db);
    const found = await audit();
    expect(found?.verdict).toBe('drift');
    expect(found?.findings).toContainEqual(
      expect.stringMatching(new RegExp(`^${field} is \\d+ in Redis and ${changed(sale)} in the row`)),
    );

    await expect(repairSale(context, sale.shard, found!, WAIT_MS)).resolves.toBe(true);

    expect(Number(await context.redis.hget(context.keys.sale(sale).state, field))).toBe(changed(sale));
    await expect(audit(true)).resolves.toMatchObject({ verdict: 'clean', findings: [] });
  });
});
