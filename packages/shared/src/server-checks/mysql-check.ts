import { randomInt } from 'node:crypto';
import { sql, type CompiledQuery } from 'kysely';
import type { Order } from '../order/order.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { dbFault, isReadOnly } from '../platform/mysql/errors.ts';
import { insertOrderEvents } from '../order-events/order-events-table.ts';
import { moveOrders } from '../order-moves/order-transitions.ts';
import { ORDER_NO_LENGTH_MAX } from '../order/order-number.ts';
import { insertOrders, insertOrdersQuery, ORDER_BATCH_MAX } from '../order/orders-table.ts';
import { insertPayment } from '../payment/payments-table.ts';
import { addSold } from '../sale/products-table.ts';
import { lockSale, stampFence } from '../sale/stamps-table.ts';
import { statementText } from '../platform/mysql/statement-text.ts';

/** Every table that the service writes to. */
export const TABLES = [
  'products',
  'orders',
  'stock_returns',
  'order_history',
  'payments',
  'payment_events',
  'sale_counters',
  'repairs',
  'token_secrets',
  'operator_actions',
  'deny_list',
  'deny_list_version',
  'order_events',
  'gates',
  'service_leads',
  'redis_histories',
] as const;

/** In a hexadecimal literal, a character of an id takes up to twice the space. */
const USER_ID_CHARS_MAX = 255;
/** The bytes that MySQL adds to a statement, and a reserve. */
const PACKET_SPARE_BYTES = 1_024;

/**
 * Tries in MySQL what the service does there, in a transaction that is rolled back, for a sale that
 * cannot exist.
 *
 * @returns the missing rights and wrong settings, by name. A server that is only read-only now has
 * no problem: it may be the old master of a failover
 */
export async function tryMysql(db: Db, orderBatchMax = ORDER_BATCH_MAX): Promise<string[]> {
  const problems = await packetProblems(db, orderBatchMax);
  const tx = await db.startTransaction().setIsolationLevel('read committed').execute();
  try {
    const missing = await missingRights(tx);
    if (missing.length > 0) return [...problems, ...missing];
    await sellOne(tx);
    return problems;
  } catch (error) {
    if (isReadOnly(error)) return problems;
    const fault = dbFault(error);
    if (fault === undefined) throw error;
    return [...problems, `${fault} (${(error as Error).message})`];
  } finally {
    await tx
      .rollback()
      .execute()
      .catch(() => undefined);
  }
}

/**
 * The largest statement is a full batch of orders. If the packet limit is too small, MySQL closes
 * the connection without a reason.
 */
async function packetProblems(db: Db, orderBatchMax: number): Promise<string[]> {
  const order = { ...orderOf(-1), userId: "'".repeat(USER_ID_CHARS_MAX), orderNo: 'x'.repeat(ORDER_NO_LENGTH_MAX) };
  const batch = Array.from({ length: orderBatchMax }, () => order);
  const { sql: text, parameters }: CompiledQuery = insertOrdersQuery(batch).compile(db);
  const neededBytes = Buffer.byteLength(statementText(text, parameters)) + PACKET_SPARE_BYTES;
  const { rows } = await sql<{ bytes: number }>`SELECT @@max_allowed_packet AS bytes`.execute(db);
  const { bytes } = rows[0]!;
  if (bytes >= neededBytes) return [];
  return [`MySQL max_allowed_packet is ${bytes}: a batch of ${orderBatchMax} orders needs ${neededBytes}`];
}

/**
 * MySQL checks rights before rows, so statements that find no row show which rights are missing.
 */
async function missingRights(tx: Tx): Promise<string[]> {
  const { rows } = await sql<{ table_name: string; column_name: string }>`
    SELECT table_name AS table_name, column_name AS column_name FROM information_schema.columns
    WHERE table_schema = DATABASE() AND extra NOT LIKE '%GENERATED%'
    ORDER BY ordinal_position`.execute(tx);
  const columnsOf = Map.groupBy(rows, ({ table_name: tableName }) => tableName);
  const problems = new Set<string>();
  for (const name of TABLES) {
    const columns = (columnsOf.get(name) ?? []).map(({ column_name: columnName }) => sql.ref(columnName));
    if (columns.length === 0) {
      problems.add(`MySQL: the user has no right on the table ${name}: grant SELECT, INSERT, UPDATE and DELETE`);
      continue;
    }
    const [table, list, first] = [sql.table(name), sql.join(columns), columns[0]!];
    const statements = [
      sql`INSERT INTO ${table} (${list}) SELECT ${list} FROM ${table} WHERE 1 = 0`,
      sql`SELECT ${first} FROM ${table} WHERE 1 = 0 FOR UPDATE`,
      sql`UPDATE ${table} SET ${first} = ${first} WHERE 1 = 0`,
      sql`DELETE FROM ${table} WHERE 1 = 0`,
    ];
    for (const statement of statements) {
      try {
        await statement.execute(tx);
      } catch (error) {
        const fault = dbFault(error);
        if (fault === undefined || isReadOnly(error)) throw error;
        problems.add(`${fault} (${(error as Error).message})`);
      }
    }
  }
  return [...problems];
}

/**
 * A sale, one of its orders, its payment and its end, with the statements that the service uses.
 */
async function sellOne(tx: Tx): Promise<void> {
  const now = new Date();
  const id = -randomInt(1, 2 ** 47);
  const order = orderOf(id);
  await tx
    .insertInto('products')
    .values({
      id,
      shard: 0,
      name: 'check at start',
      price_cents: 1,
      stock: 1,
      seckill_stock: 1,
      start_time: now,
      end_time: now,
      created_at: now,
      cleaned_at: now,
    })
    .execute();
  await stampFence(tx, id, 1);
  await lockSale(tx, id, 1);
  await insertOrders(tx, [order]);
  await addSold(tx, id, 1);
  await insertOrderEvents(tx, id, [order], now.getTime());
  await insertPayment(tx, order.orderNo, { paymentId: `check_${-id}`, provider: 'check', currency: 'EUR' });
  await moveOrders(tx, id, new Map([[order.orderNo, { actor: 'check' }]]), 'pending_payment', 'cancelled', now);
}

function orderOf(productId: number): Order {
  const nowMs = Date.now();
  return {
    // No order number begins like this one.
    orderNo: `check-${-productId}`,
    productId,
    userId: 'check',
    status: 'pending_payment',
    quantity: 1,
    priceCents: 1,
    version: 1,
    createdAtMs: nowMs,
    expiresAtMs: nowMs,
  };
}
