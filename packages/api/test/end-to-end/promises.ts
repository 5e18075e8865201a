import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import type { TestContext } from '../../testing/support.ts';

/** What one atomic read of Redis says of a sale. */
interface SaleInRedis {
  readonly state: Readonly<Record<string, string>>;
  readonly owners: Readonly<Record<string, string>>;
  readonly batches: number;
  readonly batchTimes: number;
}

/**
 * Between two reads. Without a pause, the reads take a core from the processes that are tested. A
 * wrong state stays wrong until another script runs.
 */
const BETWEEN_READS_MS = 10;
const AWAY_MS = 20;

/** The sums of a sale in one atomic read, which costs the same for any number of owners. */
async function readSums(context: TestContext, sale: SaleRef) {
  const { state: stateKey, owners } = context.keys.sale(sale);
  const transaction = context.redis.multi().hmget(stateKey, 'ready', 'available', 'extra_held', 'total').hlen(owners);
  const [state, owning] = (await transaction.exec())!.map(([, value]) => value) as [(string | null)[], number];
  const [ready, available, extraHeld, total] = state.map(Number) as [number, number, number, number];
  return { ready: ready === 1, available, held: owning + extraHeld, total };
}

async function readSale(context: TestContext, sale: SaleRef): Promise<SaleInRedis> {
  const keys = context.keys.sale(sale);
  const transaction = context.redis.multi().hgetall(keys.state).hgetall(keys.owners);
  const replies = await transaction.hlen(keys.batches).zcard(keys.batchTimes).exec();
  const [state, owners, batches, batchTimes] = replies!.map(([, value]) => value);
  return { state, owners, batches, batchTimes } as SaleInRedis;
}

/**
 * Reads a sale repeatedly from outside; `stop` returns how often, and everything that was wrong
 * (promises 1 and 2).
 */
export function watchConservation(context: TestContext, id: number, shard = 0) {
  const stopping = new AbortController();
  let reads = 0;
  const violations = new Set<string>();
  const watching = (async () => {
    while (!stopping.signal.aborted) {
      let sums: Awaited<ReturnType<typeof readSums>>;
      try {
        sums = await readSums(context, { id, shard });
      } catch {
        // Redis is down, which a test may want.
        await delay(AWAY_MS);
        continue;
      }
      const { ready, available, held, total } = sums;
      if (ready && (available < 0 || available + held !== total))
        violations.add(`available ${available} + held ${held} ≠ ${total}`);
      reads += 1;
      await delay(BETWEEN_READS_MS);
    }
  })();
  return {
    async stop(): Promise<{ reads: number; violations: string[] }> {
      stopping.abort();
      await watching;
      return { reads, violations: [...violations] };
    },
  };
}

/**
 * Checks the promises on a drained sale by SQL and Redis, from outside: no oversell (1),
 * conservation (2), no leak (3), one live order per shopper (4), every 202 ended, under its own
 * number and owner (5, 6), and nothing beside them (7).
 */
export async function expectPromisesKept(
  context: TestContext,
  sale: { readonly id: number; readonly shard?: number; readonly seckill_stock: number; readonly sold: number },
  promised: ReadonlyMap<string, string>,
): Promise<void> {
  const { db } = context;
  // A poll returns a row as soon as it is committed, which is a moment before Redis has settled it.
  await expect
    .poll(async () => {
      const { state: _state, owners: _owners, ...left } = await readSale(context, { shard: 0, ...sale });
      return left;
    })
    .toEqual({ batches: 0, batchTimes: 0 });
  const { state, owners } = await readSale(context, { shard: 0, ...sale });
  const orders = await db.selectFrom('orders').selectAll().where('product_id', '=', sale.id).execute();
  const live = orders.filter((order) => order.live === 1);
  const product = await db.selectFrom('products').selectAll().where('id', '=', sale.id).executeTakeFirstOrThrow();

  expect(live).toHaveLength(sale.sold);
  expect(product.sold).toBe(sale.sold);
  expect(Number(state['available'])).toBe(sale.seckill_stock - sale.sold);
  expect(Object.keys(owners)).toHaveLength(sale.sold);
  expect(owners).toEqual(Object.fromEntries(live.map(({ user_id: userId, order_no: orderNo }) => [userId, orderNo])));
  expect(new Set(live.map(({ user_id: userId }) => userId)).size).toBe(sale.sold);
  // Each number that was promised is the order of the shopper to whom it was promised, at the price
  // of the sale.
  const owner = new Map(orders.map(({ order_no: orderNo, user_id: userId }) => [orderNo, userId]));
  expect([...promised].filter(([orderNo, userId]) => owner.get(orderNo) !== userId)).toEqual([]);
  expect(new Set(orders.map(({ price_cents: priceCents }) => priceCents))).toEqual(new Set([1_999]));
  expect(new Set(orders.map(({ status }) => status))).toEqual(new Set(['pending_payment']));
  const returns = await db.selectFrom('stock_returns').selectAll().where('product_id', '=', sale.id).execute();
  expect(returns).toEqual([]);
}
