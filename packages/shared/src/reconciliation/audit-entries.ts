import type { Db } from '../platform/mysql/client.ts';
import type { Keys } from '../platform/redis/keys.ts';
import type { RedisClient } from '../platform/redis/client.ts';
import type { SaleRef } from '../sale/sale.ts';

const SCAN_COUNT = 1_000;
/** A batch is some kilobytes. */
const BATCHES_SCANNED = 50;

/**
 * Compares every owner entry with the ledger and the reservations, and the reverse. Call it under
 * the sale's lease.
 */
export async function findingsOfEntries(
  { redis, keys, db }: { readonly redis: RedisClient; readonly keys: Keys; readonly db: Db },
  sale: SaleRef,
): Promise<string[]> {
  const { owners: ownersKey, batches: batchesKey, state: stateKey } = keys.sale(sale);
  // Reservations and their owners come and go. Read the reservations before and after the owners:
  // an owner may name an order of either reading.
  const before = await readReservations(redis, batchesKey);
  const availableBefore = await redis.hget(stateKey, 'available');
  const owners = await readOwners(redis, ownersKey);
  const [available, backlog, extraHeld] = await redis.hmget(stateKey, 'available', 'backlog', 'extra_held');
  const after = await readReservations(redis, batchesKey);
  const ledger = await readEntries(db, sale, [...after.keys()]);
  const findings: string[] = [];

  const hasMoved = before.size !== after.size || [...after.keys()].some((orderNo) => !before.has(orderNo));
  if (!hasMoved && Number(backlog) !== after.size)
    findings.push(`backlog ${backlog} is not the ${after.size} orders of the batches`);
  // Under the lease only admissions change what is held, and each of them lowers `available`.
  const extra = [...owners.values()].reduce((units, { quantity }) => units + quantity - 1, 0);
  if (available === availableBefore && Number(extraHeld) !== extra)
    findings.push(`extra_held ${extraHeld} is not the ${extra} units that owners hold beyond one`);

  for (const [user, { orderNo, quantity }] of owners) {
    const row = ledger.orders.get(orderNo);
    const due = ledger.returns.has(orderNo);
    if (row === undefined ? !after.has(orderNo) : row.userId !== user || (!row.live && !due)) {
      findings.push(`owner entry ${user} names ${orderNo}, which is no live order, reservation or due return`);
    }
    const ordered = (row ?? after.get(orderNo))?.quantity ?? quantity;
    if (ordered !== quantity)
      findings.push(`owner entry ${user} holds ${quantity} units for ${orderNo}, which has ${ordered}`);
    if (row?.live === true && due) findings.push(`live order ${orderNo} has an unapplied return`);
  }
  for (const [orderNo, { userId, live }] of ledger.orders) {
    if (live && owners.get(userId)?.orderNo !== orderNo)
      findings.push(`live order ${orderNo} of ${userId} has no owner entry`);
  }
  for (const [orderNo, { userId }] of before) {
    if (!ledger.orders.has(orderNo) && owners.get(userId)?.orderNo !== orderNo)
      findings.push(`reservation ${orderNo} of ${userId} has no owner entry`);
  }
  return findings;
}

/**
 * The live orders of the sale, the orders with an unapplied return, and the orders with these
 * numbers, in one snapshot.
 */
async function readEntries(db: Db, { id }: SaleRef, orderNos: readonly string[]) {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (tx) => {
      const select = () =>
        tx
          .selectFrom('orders')
          .select(['order_no as orderNo', 'user_id as userId', 'quantity', 'live'])
          .where('product_id', '=', id);
      const orders = new Map<string, { userId: string; quantity: number; live: boolean }>();
      const add = (
        rows: readonly { orderNo: string; userId: string; quantity: number; live: number | null }[],
      ): void => {
        for (const { orderNo, live, ...same } of rows) orders.set(orderNo, { ...same, live: live === 1 });
      };
      add(await select().where('live', '=', 1).execute());
      for (let from = 0; from < orderNos.length; from += SCAN_COUNT) {
        add(
          await select()
            .where('order_no', 'in', orderNos.slice(from, from + SCAN_COUNT))
            .execute(),
        );
      }
      const due = await tx
        .selectFrom('stock_returns')
        .innerJoin('orders', 'orders.order_no', 'stock_returns.order_no')
        .select(['orders.order_no as orderNo', 'orders.user_id as userId', 'orders.quantity', 'orders.live'])
        .where('stock_returns.product_id', '=', id)
        .where('applied_at', 'is', null)
        .execute();
      add(due);
      return { orders, returns: new Set(due.map(({ orderNo }) => orderNo)) };
    });
}

/** The owner entries: user → order number and quantity. */
async function readOwners(
  redis: RedisClient,
  key: string,
): Promise<Map<string, { readonly orderNo: string; readonly quantity: number }>> {
  const entries = await readHash(redis, key);
  return new Map(
    [...entries].map(([user, entry]) => {
      const [orderNo, quantity = 1] = entry.split(':') as [string, string?];
      return [user, { orderNo, quantity: Number(quantity) }];
    }),
  );
}

/** The reservations in the batches, by order number. */
async function readReservations(
  redis: RedisClient,
  key: string,
): Promise<Map<string, { readonly userId: string; readonly quantity: number }>> {
  const found = new Map<string, { readonly userId: string; readonly quantity: number }>();
  for (const record of (await readHash(redis, key, BATCHES_SCANNED)).values()) {
    for (const line of record.split('\n').slice(1)) {
      const [orderNo, userId, , quantity = 1] = line.split(' ') as [string, string, string, string?];
      found.set(orderNo, { userId, quantity: Number(quantity) });
    }
  }
  return found;
}

async function readHash(redis: RedisClient, key: string, count = SCAN_COUNT): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  let cursor = '0';
  do {
    const [next, flat] = await redis.hscan(key, cursor, 'COUNT', count);
    for (let i = 0; i < flat.length; i += 2) found.set(flat[i]!, flat[i + 1]!);
    cursor = next;
  } while (cursor !== '0');
  return found;
}
