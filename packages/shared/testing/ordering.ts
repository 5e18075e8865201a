import { insertOrders } from '../src/order/orders-table.ts';
import { insertPayment } from '../src/payment/payments-table.ts';
import { addSold } from '../src/sale/products-table.ts';
import { lockSale } from '../src/sale/stamps-table.ts';
import { addToCounters, changesOfWritten } from '../src/sale/sale-counters-table.ts';
import type { Order } from '../src/order/order.ts';
import { newPaymentId } from '../src/payment/payment.ts';
import type { Sale } from '../src/sale/sale.ts';
import { withStampedLease } from '../src/sale/lease.ts';
import { buy } from './buying.ts';
import { settle } from './settling.ts';
import type { TestContext } from './support.ts';

const TIME_TO_PAY_MS = 900_000;

/**
 * Orders of these shoppers that wait for payment, in Redis and in MySQL as after admission and the
 * order writer, in the order of the shoppers. `fields` changes the rows.
 */
export async function placeOrders(
  context: TestContext,
  sale: Sale,
  users: readonly string[],
  { quantity = 1, ...fields }: Partial<Pick<Order, 'quantity' | 'expiresAtMs' | 'createdAtMs'>> = {},
): Promise<Order[]> {
  const owners = await buy(context, sale, users, quantity);
  const nowMs = Date.now();
  const orders = owners.map(({ orderNo, userId }): Order => {
    const row = { orderNo, userId, productId: sale.id, status: 'pending_payment', version: 1 } as const;
    const times = { createdAtMs: nowMs, expiresAtMs: nowMs + TIME_TO_PAY_MS, ...fields };
    return { ...row, priceCents: sale.priceCents, quantity, ...times };
  });
  const settled = await withStampedLease(context, sale, 5_000, async ({ text, fencingToken }) => {
    await context.db.transaction().execute(async (tx) => {
      await lockSale(tx, sale.id, fencingToken);
      await insertOrders(tx, orders);
      await addSold(tx, sale.id, orders.length * quantity);
      await addToCounters(tx, sale.id, changesOfWritten(orders, nowMs));
    });
    return settle(context, sale, text, orders);
  });
  if (settled !== true) throw new Error('the orders of a test could not be settled');
  return orders;
}

/** One order that waits for payment. */
export async function placeOrder(context: TestContext, sale: Sale, user = 'alice'): Promise<Order> {
  const [order] = await placeOrders(context, sale, [user]);
  return order!;
}

/** A payment of the order, started at its provider. */
export async function openPayment({ db }: TestContext, orderNo: string, provider = 'sandbox'): Promise<string> {
  const paymentId = newPaymentId(Date.now());
  await insertPayment(db, orderNo, { paymentId, provider, currency: 'CNY' });
  const reference = { provider_ref: `ref-${paymentId}`, url: `http://pay.test/${paymentId}` };
  await db.updateTable('payments').set(reference).where('payment_id', '=', paymentId).execute();
  return paymentId;
}

/** The rows of an order in the ledger, and of its sale. */
export async function ledgerOf({ db }: TestContext, { orderNo, productId }: Order) {
  const [order, payments, history, returned, sale] = await Promise.all([
    db.selectFrom('orders').selectAll().where('order_no', '=', orderNo).executeTakeFirstOrThrow(),
    db.selectFrom('payments').selectAll().where('order_no', '=', orderNo).orderBy('payment_id').execute(),
    db.selectFrom('order_history').selectAll().where('order_no', '=', orderNo).orderBy('created_at').execute(),
    db.selectFrom('stock_returns').selectAll().where('order_no', '=', orderNo).executeTakeFirst(),
    db.selectFrom('products').selectAll().where('id', '=', productId).executeTakeFirstOrThrow(),
  ]);
  return {
    status: order.status,
    version: order.version,
    paid: order.paid_at !== null,
    closed: order.closed_at !== null,
    payments: payments.map(({ status }) => status),
    history: history.map(({ from_status: fromStatus, to_status: toStatus, actor, reason }) => ({
      fromStatus,
      toStatus,
      actor,
      reason,
    })),
    returned: returned !== undefined,
    sold: sale.sold,
  };
}
