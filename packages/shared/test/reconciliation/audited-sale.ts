import type { ChainableCommander } from 'ioredis';
import type { Order } from '../../src/order/order.ts';
import { insertOrders } from '../../src/order/orders-table.ts';
import { insertStockReturns } from '../../src/order/stock-returns-table.ts';
import { rebuildSale } from '../../src/reconciliation/rebuild.ts';
import { addSold } from '../../src/sale/products-table.ts';
import { batchNoOf, newBatchNo, newOrderNumber } from '../../src/order/order-number.ts';
import type { Sale } from '../../src/sale/sale.ts';
import type { TestContext } from '../../testing/support.ts';

export const WAIT_MS = 5_000;

/**
 * A sale of 10 units with three live orders, one reservation, and one closed order whose unit must
 * be given back.
 */
export async function openSaleInOrder(context: TestContext): Promise<Sale> {
  const sale = await context.insertSale();
  const orders = ['ann', 'ben', 'cat'].map((user) => orderOf(sale, user, 'pending_payment'));
  const closed = orderOf(sale, 'dan', 'cancelled');
  await context.db.transaction().execute(async (tx) => {
    await insertOrders(tx, [...orders, closed]);
    await insertStockReturns(tx, [closed], Date.now());
    await addSold(tx, sale.id, orders.length);
  });
  await rebuildSale(context, sale, WAIT_MS);
  const { owners, state } = context.keys.sale(sale);
  // As if it was closed after the rebuild: the owner entry still exists.
  await context.redis.hset(owners, 'dan', closed.orderNo);
  await context.redis.hincrby(state, 'available', -1);
  await reserve(context, sale, 'eve');
  return sale;
}

export const orderOf = (sale: Sale, userId: string, status: Order['status']): Order => ({
  orderNo: newOrderNumber(sale, newBatchNo(Date.now())),
  userId,
  productId: sale.id,
  status,
  priceCents: 1_999,
  quantity: 1,
  createdAtMs: Date.now(),
  version: 1,
});

/** An admission, by hand. */
export async function reserve(context: TestContext, sale: Sale, user: string): Promise<string> {
  const batchNo = newBatchNo(Date.now());
  const orderNo = newOrderNumber(sale, batchNo);
  await reserving(context, sale, context.redis.multi(), user, orderNo).exec();
  return orderNo;
}

/** One step, as the admit script is. */
export function reserving(
  context: TestContext,
  sale: Sale,
  multi: ChainableCommander,
  user: string,
  orderNo: string,
): ChainableCommander {
  const { owners, state, batches, batchTimes } = context.keys.sale(sale);
  const batchNo = batchNoOf(orderNo);
  return multi
    .hset(owners, user, orderNo)
    .hincrby(state, 'available', -1)
    .hincrby(state, 'backlog', 1)
    .hset(batches, batchNo, `${Date.now()} 1999 1\n${orderNo} ${user} request`)
    .zadd(batchTimes, Date.now(), batchNo)
    .incr(context.keys.backlog(sale.shard))
    .zadd(context.keys.outbox(sale.shard), 'NX', Date.now(), sale.id);
}
