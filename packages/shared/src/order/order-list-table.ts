import { sql, type RawBuilder } from 'kysely';
import type { Db } from '../platform/mysql/client.ts';
import { WRITTEN_STATUSES, type Order, type OrderStatus } from './order.ts';
import { findOrders } from './orders-table.ts';

/** Rows that are read to find orders of one status among all sales, for one page. */
const SCANNED_MAX = 10_000;

/** Which orders a list has. An order must meet all conditions. */
export interface OrderFilter {
  readonly productId?: number | undefined;
  readonly userId?: string | undefined;
  readonly status?: OrderStatus | undefined;
}

/** A page of orders, newest first. */
export interface OrderPage {
  readonly orders: readonly Order[];
  /** Where the next page begins; undefined on the last page. */
  readonly before: string | undefined;
}

export interface PageOptions {
  readonly limit: number;
  /** Only orders with a lower number. */
  readonly before?: string | undefined;
  /** Tests set it lower. */
  readonly scannedMax?: number;
}

/**
 * A page of the orders in the ledger, newest first. The cost of a page does not depend on the
 * number of orders: each filter has an index. The exception is a status without a sale or a
 * shopper: such a page reads a limited number of rows, and may be short although more pages follow.
 */
export async function listOrders(
  db: Db,
  filter: OrderFilter,
  { limit, before, scannedMax = SCANNED_MAX }: PageOptions,
): Promise<OrderPage> {
  const { rows } = await orderNumbersQuery(filter, { limit, before, scannedMax }).execute(db);
  const orderNos = rows.map(({ order_no: orderNo }) => orderNo);
  const orders = (await findOrders(db, orderNos)).toSorted((a, b) => (a.orderNo < b.orderNo ? 1 : -1));
  if (orderNos.length === limit) return { orders, before: orderNos.at(-1) };
  const scannedTo = isScan(filter) ? await lastOf(scanned(scannedMax, before)).execute(db) : undefined;
  const [edge] = scannedTo?.rows ?? [];
  return { orders, before: edge !== undefined && Number(edge.count) === scannedMax ? edge.last : undefined };
}

interface OrderNoRow {
  readonly order_no: string;
}

const isScan = ({ productId, userId, status }: OrderFilter): boolean =>
  status !== undefined && productId === undefined && userId === undefined;

/** Separate from its execution, so that a test can read the server's query plan. */
export function orderNumbersQuery(
  { productId, userId, status }: OrderFilter,
  { limit, before, scannedMax }: Required<Pick<PageOptions, 'limit' | 'scannedMax'>> & Pick<PageOptions, 'before'>,
): RawBuilder<OrderNoRow> {
  const older = before === undefined ? sql`` : sql`AND order_no < ${before}`;
  const newest = sql`ORDER BY order_no DESC LIMIT ${sql.lit(limit)}`;
  if (userId !== undefined) {
    const ofSale = productId === undefined ? sql`` : sql`AND product_id = ${productId}`;
    const inStatus = status === undefined ? sql`` : sql`AND status = ${status}`;
    return sql`SELECT order_no FROM orders WHERE user_id = ${userId} ${ofSale} ${inStatus} ${older} ${newest}`;
  }
  if (productId !== undefined) {
    // The index is sorted by number within each status. One query over all of them would sort all
    // orders of the sale. Without a hint, MySQL may prefer the index by expiry and sort.
    const statuses = status === undefined ? WRITTEN_STATUSES : [status];
    const parts = statuses.map(
      (one) => sql<OrderNoRow>`
        SELECT order_no FROM orders FORCE INDEX (by_product)
        WHERE product_id = ${productId} AND status = ${one} ${older} ${newest}`,
    );
    if (parts.length === 1) return parts[0]!;
    return sql`${sql.join(
      parts.map((part) => sql`(${part})`),
      sql` UNION ALL `,
    )} ${newest}`;
  }
  if (status === undefined) return sql`SELECT order_no FROM orders WHERE TRUE ${older} ${newest}`;
  return sql`SELECT order_no FROM ${scanned(scannedMax, before)} WHERE status = ${status} ${newest}`;
}

/** The newest orders, as a table of a query. */
function scanned(scannedMax: number, before: string | undefined): RawBuilder<unknown> {
  const older = before === undefined ? sql`` : sql`WHERE order_no < ${before}`;
  return sql`
    (SELECT order_no, status FROM orders FORCE INDEX (PRIMARY) ${older}
     ORDER BY order_no DESC LIMIT ${sql.lit(scannedMax)}) AS scanned`;
}

const lastOf = (table: RawBuilder<unknown>): RawBuilder<{ last: string; count: number | string }> =>
  sql`SELECT MIN(order_no) AS last, COUNT(*) AS count FROM ${table}`;
