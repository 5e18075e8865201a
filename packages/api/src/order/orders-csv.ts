import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { listOrders, type OrderFilter } from '@flash-sale/shared/order/order-list-table.ts';
import { isoOf } from '../fields.ts';
import { csvLine } from './csv.ts';

/** Orders that are read together. Each page blocks the process for two or three milliseconds. */
const PAGE = 500;

const HEADER = [
  'order_no',
  'product_id',
  'user_id',
  'status',
  'price',
  'quantity',
  'total',
  'currency',
  'created_at',
  'expires_at',
  'paid_at',
  'closed_at',
  'reason',
];

/**
 * The orders of a filter as CSV, newest first, page by page: memory does not grow with the number
 * of orders, and no connection to MySQL is held between two pages. An order that is written
 * meanwhile may be missing.
 */
export async function* ordersCsv(db: Db, filter: OrderFilter, currency: string): AsyncGenerator<string> {
  yield csvLine(HEADER);
  let before: string | undefined;
  do {
    const page = await listOrders(db, filter, { limit: PAGE, before });
    if (page.orders.length > 0) yield page.orders.map((order) => lineOf(order, currency)).join('');
    before = page.before;
    // Shoppers' requests come first.
    await nextTurn();
  } while (before !== undefined);
}

const amountOf = (cents: number): string => (cents / 100).toFixed(2);

function lineOf(order: Order, currency: string): string {
  const { orderNo, productId, userId, status, priceCents, quantity, createdAtMs, reason = null } = order;
  const timeOf = (timeMs: number | undefined): string | null => (timeMs === undefined ? null : isoOf(timeMs));
  return csvLine([
    orderNo,
    productId,
    userId,
    status,
    amountOf(priceCents),
    quantity,
    amountOf(priceCents * quantity),
    currency,
    isoOf(createdAtMs),
    timeOf(order.expiresAtMs),
    timeOf(order.paidAtMs),
    timeOf(order.closedAtMs),
    reason,
  ]);
}
