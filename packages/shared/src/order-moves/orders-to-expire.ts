import type { Db } from '../platform/mysql/client.ts';
import { LEDGER_NOW } from '../platform/mysql/clock.ts';
import { IS_NOT_PAID_FOR } from '../payment/payments-table.ts';

/** Unpaid orders after their deadline, oldest first, except those of the sales `without`. */
export function ordersToExpire(
  db: Db,
  limit: number,
  without: readonly number[],
): Promise<{ orderNo: string; productId: number }[]> {
  return ordersToExpireQuery(db, limit, without).execute();
}

/** Separate from its execution, so that a test can read the server's query plan. */
export function ordersToExpireQuery(db: Db, limit: number, without: readonly number[]) {
  return (
    db
      .selectFrom('orders')
      .select(['order_no as orderNo', 'product_id as productId'])
      .where('status', '=', 'pending_payment')
      .where('expires_at', '<=', LEDGER_NOW)
      // Without this, each round would select them again: a paid order does not expire.
      .where(IS_NOT_PAID_FOR)
      .$if(without.length > 0, (query) => query.where('product_id', 'not in', without))
      .orderBy('expires_at')
      .limit(limit)
  );
}
