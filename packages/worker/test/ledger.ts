import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { connectDb, type Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { insertOrders } from '@flash-sale/shared/order/orders-table.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { onTestFinished } from 'vitest';

export { aLockIsWaitedFor } from '@flash-sale/shared/testing/row-locks.ts';

/** A sale in the ledger, as an independent checker reads it. */
export interface Ledger {
  /** Rows by status, in the order of their numbers. */
  readonly orders: readonly { order_no: string; user_id: string; status: Order['status']; reason: string | null }[];
  readonly sold: number;
  readonly fence: number;
  /** Order numbers with a row in `stock_returns`. */
  readonly returns: readonly { order_no: string; applied: boolean }[];
}

export async function readLedger(db: Db, sale: SaleRef): Promise<Ledger> {
  const { sold, fence } = await db
    .selectFrom('products')
    .select(['sold', 'fence'])
    .where('id', '=', sale.id)
    .executeTakeFirstOrThrow();
  const orders = await db
    .selectFrom('orders')
    .select(['order_no', 'user_id', 'status', 'reason'])
    .where('product_id', '=', sale.id)
    .orderBy('order_no')
    .execute();
  const returns = await db
    .selectFrom('stock_returns')
    .select(['order_no', 'applied_at'])
    .where('product_id', '=', sale.id)
    .orderBy('order_no')
    .execute();
  return {
    orders,
    sold,
    fence,
    returns: returns.map(({ order_no: orderNo, applied_at: appliedAt }) => ({
      order_no: orderNo,
      applied: appliedAt !== null,
    })),
  };
}

/** A foreign transaction that holds a sale's row until it is released. */
export interface RowLock {
  /**
   * Stamps a fencing token, as the holder of a lease does before it writes. It is committed when
   * the row is released.
   */
  stamp(fence: number): Promise<void>;
  release(): Promise<void>;
}

/**
 * Begins the transaction of another client, on a connection that may be idle without a limit.
 *
 * @returns the transaction, and a function that ends it once
 */
async function beginElsewhere(config: Config, end: 'commit' | 'rollback') {
  const db = connectDb({ ...config, DB_POOL_MAX: 1 }, 'schema');
  const tx = await db.startTransaction().execute();
  await sql`SET SESSION wait_timeout = 600`.execute(tx);
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    await tx[end]().execute();
    await db.destroy();
  };
  onTestFinished(close);
  return { tx, close };
}

export async function lockSaleRow(config: Config, sale: SaleRef): Promise<RowLock> {
  const { tx, close } = await beginElsewhere(config, 'commit');
  await tx.selectFrom('products').select('id').where('id', '=', sale.id).forUpdate().execute();
  const stamp = async (fence: number): Promise<void> => {
    await tx.updateTable('products').set({ fence }).where('id', '=', sale.id).execute();
  };
  return { stamp, release: close };
}

/**
 * Delays only a writer, at its INSERT: another transaction has live orders of these
 * shoppers that are not committed.
 *
 * @returns a function that rolls them back, so that the writer continues
 */
export async function holdUpOrdersOf(
  config: Config,
  sale: SaleRef,
  userIds: readonly string[],
): Promise<() => Promise<void>> {
  const { tx, close } = await beginElsewhere(config, 'rollback');
  const [status, priceCents, createdAtMs, version] = ['pending_payment', 1, 0, 1] as const;
  await insertOrders(
    tx,
    userIds.map((userId) => {
      const orderNo = `held-up-${randomUUID()}`;
      return {
        orderNo,
        productId: sale.id,
        userId,
        status,
        priceCents,
        quantity: 1,
        createdAtMs,
        version,
      };
    }),
  );
  return close;
}

/**
 * Makes MySQL reject an order of this shopper always, as a constraint of a later release would. It
 * accepts the `failed` row of the order, unless `evenFailed`.
 *
 * @returns a function that allows them again
 */
export async function refuseOrdersOf(db: Db, userId: string, evenFailed = false): Promise<() => Promise<void>> {
  const relent = async (): Promise<void> => {
    await sql`DROP TRIGGER IF EXISTS refuse_one_shopper`.execute(db);
  };
  onTestFinished(relent);
  await sql`
    CREATE TRIGGER refuse_one_shopper BEFORE INSERT ON orders FOR EACH ROW
    IF NEW.user_id = ${sql.lit(userId)} AND (NEW.status <> 'failed' OR ${sql.lit(evenFailed)}) THEN
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused by the test';
    END IF`.execute(db);
  return relent;
}
