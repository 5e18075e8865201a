import { sql, type Selectable } from 'kysely';
import type { Order } from '../domain/order.ts';
import type { Db, Tx } from './client.ts';
import type { OrdersTable } from './schema.ts';

const COLUMNS = [
  'order_no',
  'product_id',
  'user_id',
  'status',
  'price_cents',
  'version',
  'reason',
  'created_at',
] as const satisfies readonly (keyof OrdersTable)[];

function orderOf(row: Pick<Selectable<OrdersTable>, (typeof COLUMNS)[number]>): Order {
  const { created_at, reason, ...same } = row;
  return { ...same, created_at_ms: created_at.getTime(), ...(reason === null ? {} : { reason }) };
}

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

/** A shopper's orders with a number below `before` where given, newest first. */
export async function listOrdersOfUser(db: Db, userId: string, limit: number, before?: string): Promise<Order[]> {
  const rows = await db
    .selectFrom('orders')
    .select(COLUMNS)
    .where('user_id', '=', userId)
    .$if(before !== undefined, (query) => query.where('order_no', '<', before!))
    .orderBy('order_no', 'desc')
    .limit(limit)
    .execute();
  return rows.map(orderOf);
}

/** Who owns a unit of the sale by the ledger: its live orders. */
export function liveOwners(db: Db | Tx, productId: number): Promise<{ user_id: string; order_no: string }[]> {
  return db
    .selectFrom('orders')
    .select(['user_id', 'order_no'])
    .where('product_id', '=', productId)
    .where('live', '=', 1)
    .execute();
}

/**
 * Inserts orders in one statement. A plain INSERT: `IGNORE` would hide what MySQL refuses. mysql2 expands the nested
 * array, which spares compiling a placeholder per value.
 */
export async function insertOrders(tx: Tx, orders: readonly Order[]): Promise<void> {
  if (orders.length === 0) return;
  const rows = orders.map((order) => {
    const created_at = new Date(order.created_at_ms);
    const { order_no, product_id, user_id, status, price_cents, version, reason = null } = order;
    return [order_no, product_id, user_id, status, price_cents, version, reason, created_at, created_at];
  });
  await sql`
    INSERT INTO orders (order_no, product_id, user_id, status, price_cents, version, reason, created_at, updated_at)
    VALUES ${rows}`.execute(tx);
}

/** The shopper's live order of a sale, of which there is at most one. */
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
