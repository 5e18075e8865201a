import { insertOrders } from '../src/order/orders-table.ts';
import { insertPayment } from '../src/payment/payments-table.ts';
import { addSold, lockSale } from '../src/sale/products-table.ts';
import { addToCounters, changesOfWritten } from '../src/sale/sale-counters-table.ts';
import type { Order } from '../src/order/order.ts';
import { newPaymentId } from '../src/payment/payment.ts';
import type { Sale } from '../src/sale/sale.ts';
import { withStampedLease } from '../src/sale/lease.ts';
import { buy } from './buying.ts';
import type { TestContext } from './support.ts';

const TIME_TO_PAY_MS = 900_000;
const STATUS_LIFE_MS = 600_000;

/**
 * Orders of these shoppers that wait for payment, in Redis and in MySQL as admission and the writer leave them, in the order of the shoppers.
 * `fields` change the rows.
 */
export async function placeOrders(
  context: TestContext,
  sale: Sale,
  users: readonly string[],
  fields: Partial<Pick<Order, 'expires_at_ms' | 'created_at_ms'>> = {},
): Promise<Order[]> {
  const owners = await buy(context, sale, users);
  const now_ms = Date.now();
  const orders = owners.map(({ order_no, user_id }): Order => {
    const row = { order_no, user_id, product_id: sale.id, status: 'pending_payment', version: 1 } as const;
    const times = { created_at_ms: now_ms, expires_at_ms: now_ms + TIME_TO_PAY_MS, ...fields };
    return { ...row, price_cents: sale.price_cents, ...times };
  });
  const settled = await withStampedLease(context, sale, 5_000, async ({ text, fencing_token }) => {
    await context.db.transaction().execute(async (tx) => {
      await lockSale(tx, sale.id, fencing_token);
      await insertOrders(tx, orders);
      await addSold(tx, sale.id, orders.length);
      await addToCounters(tx, sale.id, changesOfWritten(orders, now_ms));
    });
    const records = orders.map((order) => ({
      order_no: order.order_no,
      version: 1,
      status: JSON.stringify(order),
    }));
    return context.commands.settle(sale, text, STATUS_LIFE_MS, records);
  });
  if (settled !== true) throw new Error('the orders of a test could not be settled');
  return orders;
}

/** One order that waits for payment. */
export async function placeOrder(context: TestContext, sale: Sale, user = 'alice'): Promise<Order> {
  const [order] = await placeOrders(context, sale, [user]);
  return order!;
}

/** A payment of the order that its provider has started. */
export async function openPayment({ db }: TestContext, orderNo: string, provider = 'sandbox'): Promise<string> {
  const payment_id = newPaymentId(Date.now());
  await insertPayment(db, orderNo, { payment_id, provider, currency: 'CNY' });
  const reference = { provider_ref: `ref-${payment_id}`, url: `http://pay.test/${payment_id}` };
  await db.updateTable('payments').set(reference).where('payment_id', '=', payment_id).execute();
  return payment_id;
}

/** What the ledger says of an order, and of the sale it belongs to. */
export async function ledgerOf({ db }: TestContext, { order_no, product_id }: Order) {
  const [order, payments, history, returned, sale] = await Promise.all([
    db.selectFrom('orders').selectAll().where('order_no', '=', order_no).executeTakeFirstOrThrow(),
    db.selectFrom('payments').selectAll().where('order_no', '=', order_no).orderBy('payment_id').execute(),
    db.selectFrom('order_history').selectAll().where('order_no', '=', order_no).orderBy('created_at').execute(),
    db.selectFrom('stock_returns').selectAll().where('order_no', '=', order_no).executeTakeFirst(),
    db.selectFrom('products').selectAll().where('id', '=', product_id).executeTakeFirstOrThrow(),
  ]);
  return {
    status: order.status,
    version: order.version,
    paid: order.paid_at !== null,
    closed: order.closed_at !== null,
    payments: payments.map(({ status }) => status),
    history: history.map(({ from_status, to_status, actor, reason }) => ({ from_status, to_status, actor, reason })),
    returned: returned !== undefined,
    sold: sale.sold,
  };
}
