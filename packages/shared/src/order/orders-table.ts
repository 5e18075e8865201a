import { sql, type RawBuilder, type Selection } from 'kysely';
import type { Order } from './order.ts';
import type { Owner } from '../sale/owner.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import type { Database } from '../platform/mysql/schema.ts';

const COLUMNS = [
  'order_no as orderNo',
  'product_id as productId',
  'user_id as userId',
  'status',
  'price_cents as priceCents',
  'quantity',
  'version',
  'reason',
  'created_at as createdAt',
  'expires_at as expiresAt',
  'paid_at as paidAt',
  'closed_at as closedAt',
] as const;

function orderOf(row: Selection<Database, 'orders', (typeof COLUMNS)[number]>): Order {
  const { createdAt, reason, expiresAt, paidAt, closedAt, ...same } = row;
  return {
    ...same,
    createdAtMs: createdAt.getTime(),
    ...(reason === null ? {} : { reason }),
    ...(expiresAt === null ? {} : { expiresAtMs: expiresAt.getTime() }),
    ...(paidAt === null ? {} : { paidAtMs: paidAt.getTime() }),
    ...(closedAt === null ? {} : { closedAtMs: closedAt.getTime() }),
  };
}

/**
 * Orders in one transaction: more would hold the locks of a sale for longer and save few commits.
 */
export const ORDER_BATCH_MAX = 500;

export async function findOrder(db: Db, orderNo: string): Promise<Order | undefined> {
  const row = await db.selectFrom('orders').select(COLUMNS).where('order_no', '=', orderNo).executeTakeFirst();
  return row && orderOf(row);
}

/** The orders of these numbers that the ledger has. */
export async function findOrders(db: Db | Tx, orderNos: readonly string[]): Promise<Order[]> {
  if (orderNos.length === 0) return [];
  const rows = await db.selectFrom('orders').select(COLUMNS).where('order_no', 'in', orderNos).execute();
  return rows.map(orderOf);
}

/** A shopper's orders, newest first, with a number below `before` if it is given. */
export async function listOrdersOfUser(db: Db, userId: string, limit: number, before?: string): Promise<Order[]> {
  return (await ordersOfUserQuery(db, userId, limit, before).execute()).map(orderOf);
}

/** Separate from its execution, so that a test can read the server's query plan. */
export function ordersOfUserQuery(db: Db, userId: string, limit: number, before: string | undefined) {
  return db
    .selectFrom('orders')
    .select(COLUMNS)
    .where('user_id', '=', userId)
    .$if(before !== undefined, (query) => query.where('order_no', '<', before!))
    .orderBy('order_no', 'desc')
    .limit(limit);
}

/** The owners of units by the ledger: the live orders of the sale. */
export function liveOwners(db: Db | Tx, productId: number): Promise<Owner[]> {
  return db
    .selectFrom('orders')
    .select(['user_id as userId', 'order_no as orderNo', 'quantity'])
    .where('product_id', '=', productId)
    .where('live', '=', 1)
    .execute();
}

/** Inserts orders in one statement. */
export async function insertOrders(tx: Tx, orders: readonly Order[]): Promise<void> {
  if (orders.length > 0) await insertOrdersQuery(orders).execute(tx);
}

/**
 * Separate from its execution, so that a test can measure its size. A plain INSERT: `IGNORE` would
 * hide rows that MySQL rejects. All rows are one nested value, so that Kysely does not compile a
 * placeholder for each field.
 */
export function insertOrdersQuery(orders: readonly Order[]): RawBuilder<unknown> {
  // Many of these orders have their times in common. A `Date` for each took three quarters of the
  // time in which an order becomes text.
  const texts = new Map<number | undefined, string | null>([[undefined, null]]);
  const textOf = (timeMs: number | undefined): string | null => {
    let text = texts.get(timeMs);
    if (text === undefined) {
      text = new Date(timeMs!).toISOString().slice(0, -1).replace('T', ' ');
      texts.set(timeMs, text);
    }
    return text;
  };
  const rows = orders.map((order) => {
    const { orderNo, productId, userId, status, priceCents, quantity, version, reason = null } = order;
    const createdAt = textOf(order.createdAtMs);
    const times = [createdAt, createdAt, textOf(order.expiresAtMs), textOf(order.closedAtMs)];
    return [orderNo, productId, userId, status, priceCents, quantity, version, reason, ...times];
  });
  return sql`
    INSERT INTO orders (order_no, product_id, user_id, status, price_cents, quantity, version, reason, created_at,
      updated_at, expires_at, closed_at)
    VALUES ${rows}`;
}

/** Whether the ledger has an order of the sale, in any status. */
export async function hasOrders(db: Db | Tx, productId: number): Promise<boolean> {
  const order = db.selectFrom('orders').select('order_no').where('product_id', '=', productId).limit(1);
  return (await order.executeTakeFirst()) !== undefined;
}

/** The shopper's live order of a sale. There is at most one. */
export async function findLiveOrder(db: Db, productId: number, userId: string): Promise<Order | undefined> {
  const row = await db
    .selectFrom('orders')
    .select(COLUMNS)
    .where('product_id', '=', productId)
    .where('user_id', '=', userId)
    .where('live', '=', 1)
    .executeTakeFirst();
  return row && orderOf(row);
}
