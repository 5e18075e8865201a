import type { Owner } from '../../src/sale/owner.ts';
import type { Sale } from '../../src/sale/sale.ts';
import { takeLease } from '../../testing/buying.ts';
import { ordersOf, settlementsFor } from '../../testing/settling.ts';
import { batchNoOf } from '../../src/order/order-number.ts';
import type { TestContext } from '../../testing/support.ts';

export const LIFE_MS = 60_000;

/** From now on another process holds the lease. */
export async function loseLease(context: TestContext, sale: Sale): Promise<void> {
  await context.redis.del(context.keys.sale(sale).lease);
  await takeLease(context, sale);
}

export const orderNos = (owners: readonly Owner[]): string[] => owners.map(({ orderNo }) => orderNo);
/** What a writer settles if the ledger has the first `count` orders. */
export const settlements = async (context: TestContext, sale: Sale, owners: readonly Owner[], count = owners.length) =>
  settlementsFor(context, sale, await ordersOf(context, sale, orderNos(owners).slice(0, count)));
/** The key of the settled record of an order. */
export const settled = (context: TestContext, sale: Sale, orderNo: string) =>
  context.keys.settledBatch(sale, batchNoOf(orderNo));
