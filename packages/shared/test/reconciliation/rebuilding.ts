import { insertOrders } from '../../src/order/orders-table.ts';
import { newBatchNo, newOrderNumber } from '../../src/order/order-number.ts';
import type { OrderStatus } from '../../src/order/order.ts';
import type { Sale } from '../../src/sale/sale.ts';
import type { Owner } from '../../src/sale/owner.ts';
import { rebuildSale } from '../../src/reconciliation/rebuild.ts';
import { snapshot } from '../../testing/buying.ts';
import type { TestContext } from '../../testing/support.ts';

export const rebuild = (context: TestContext, sale: Sale, waitMs = 5_000) => rebuildSale(context, sale, waitMs);
export const byUser = (owners: readonly Owner[]): Record<string, string> =>
  Object.fromEntries(owners.map(({ userId, orderNo }) => [userId, orderNo]));

/** Inserts orders into the ledger as the order writer does, without Redis. */
export async function writeOrders(
  context: TestContext,
  sale: Sale,
  owners: readonly Owner[],
  status: OrderStatus = 'pending_payment',
): Promise<void> {
  const facts = { productId: sale.id, status, priceCents: sale.priceCents, createdAtMs: Date.now(), version: 1 };
  await context.db.transaction().execute(async (tx) => {
    for (let from = 0; from < owners.length; from += 1_000) {
      await insertOrders(
        tx,
        owners.slice(from, from + 1_000).map((owner) => ({ ...owner, ...facts })),
      );
    }
  });
}

export const newOwners = (sale: Sale, users: readonly string[]): Owner[] =>
  users.map((userId) => ({ userId, orderNo: newOrderNumber(sale, newBatchNo(Date.now())), quantity: 1 }));

/** Deletes everything that Redis has of a sale. */
export async function empty(context: TestContext, sale: Sale): Promise<void> {
  await context.redis.del(...Object.keys(await snapshot(context, sale)));
}
