import { sql, type Selectable } from 'kysely';
import { EVENTS_PER_MESSAGE_MAX, type EventMessage, type OrderEvents } from './order-events.ts';
import type { OrderStatus } from '../order/order.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { LEDGER_NOW, ledgerNowPlus } from '../platform/mysql/clock.ts';
import type { OrderEventsTable } from '../platform/mysql/schema.ts';

const ERROR_LENGTH_MAX = 200;

/** An order that reached a status. */
export interface OrderCame {
  readonly orderNo: string;
  readonly status: OrderStatus;
}

/**
 * Inserts the events of one sale's orders for their receiver. Call it in the transaction that moves
 * the orders to these statuses, under the lock of the sale's row, so that a later event of an order
 * has a higher id. It inserts few rows for any number of orders: the other facts of an event are
 * read from the ledger when it is sent.
 *
 * @param orders in the order of their moves; best with equal statuses next to each other
 */
export async function insertOrderEvents(
  tx: Tx,
  productId: number,
  orders: readonly OrderCame[],
  nowMs: number,
): Promise<void> {
  const now = new Date(nowMs);
  const rows: OrderCame[][] = [];
  for (const order of orders) {
    const last = rows.at(-1);
    if (last !== undefined && last[0]!.status === order.status && last.length < EVENTS_PER_MESSAGE_MAX)
      last.push(order);
    else rows.push([order]);
  }
  if (rows.length === 0) return;
  await sql`
    INSERT INTO order_events (product_id, status, order_nos, orders, created_at, waiting_since) VALUES ${rows.map(
      (came) => [productId, came[0]!.status, came.map(({ orderNo }) => orderNo).join(' '), came.length, now, now],
    )}`.execute(tx);
}

/** The oldest rows that belong to no message yet. */
export async function freshOrderEvents(db: Db, limit: number): Promise<OrderEvents[]> {
  const rows = await db
    .selectFrom('order_events')
    .selectAll()
    .where('dead_at', 'is', null)
    .where('message_id', 'is', null)
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(eventsOf);
}

/**
 * Messages that were begun and are neither delivered nor dead, each with all of its rows. At most
 * `limit`, due messages first.
 */
export async function begunMessages(db: Db, limit: number): Promise<EventMessage[]> {
  const { rows: found } = await sql<{ message_id: string }>`
    SELECT message_id FROM order_events
    WHERE dead_at IS NULL AND message_id IS NOT NULL
    GROUP BY message_id
    ORDER BY MAX(next_attempt_at IS NULL OR next_attempt_at <= ${LEDGER_NOW}) DESC, message_id
    LIMIT ${sql.lit(limit)}`.execute(db);
  if (found.length === 0) return [];
  const rows = await db
    .selectFrom('order_events')
    .selectAll()
    .where('dead_at', 'is', null)
    .where(
      'message_id',
      'in',
      found.map(({ message_id: messageId }) => messageId),
    )
    .orderBy('id')
    .execute();
  return [...Map.groupBy(rows, ({ message_id: messageId }) => messageId!)].map(([messageId, of]) => ({
    messageId,
    events: of.map(eventsOf),
  }));
}

/**
 * The time in ms since the epoch from which the oldest row waits that is neither delivered nor
 * dead; undefined if there is none.
 */
export async function oldestOrderEventMs(db: Db): Promise<number | undefined> {
  const row = await db
    .selectFrom('order_events')
    .select('created_at')
    .where('dead_at', 'is', null)
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
  return row?.created_at.getTime();
}

function eventsOf(row: Selectable<OrderEventsTable>): OrderEvents {
  return {
    id: row.id,
    status: row.status,
    orderNos: row.order_nos.split(' '),
    cameMs: row.created_at.getTime(),
    messageId: row.message_id ?? undefined,
    attempts: row.attempts,
    nextAttemptMs: row.next_attempt_at?.getTime(),
    waitingSinceMs: row.waiting_since.getTime(),
  };
}

/**
 * Assigns these rows to a message before it is first sent. Returns false, and changes nothing, if
 * another process has assigned one of them already.
 */
export async function nameMessage(db: Db, ids: readonly number[], messageId: string): Promise<boolean> {
  const tx = await db.startTransaction().execute();
  try {
    const { numAffectedRows } = await sql`
      UPDATE order_events FORCE INDEX (PRIMARY) SET message_id = ${messageId}
      WHERE id IN (${ids}) AND message_id IS NULL`.execute(tx);
    const isOurs = numAffectedRows === BigInt(ids.length);
    await (isOurs ? tx.commit() : tx.rollback()).execute();
    return isOurs;
  } catch (error) {
    await tx
      .rollback()
      .execute()
      .catch(() => undefined);
    throw error;
  }
}

export async function deleteOrderEvents(db: Db, ids: readonly number[]): Promise<void> {
  // The form for several tables: the one for a single table takes no index.
  await sql`DELETE order_events FROM order_events FORCE INDEX (PRIMARY) WHERE id IN (${ids})`.execute(db);
}

/** Records a failed attempt. With `dead` it was the last one. */
export async function recordFailedAttempt(
  db: Db,
  ids: readonly number[],
  failure: { readonly error: string; readonly nextAttemptInMs: number; readonly dead: boolean },
): Promise<void> {
  await sql`
    UPDATE order_events FORCE INDEX (PRIMARY)
    SET attempts = attempts + 1, next_attempt_at = ${ledgerNowPlus(failure.nextAttemptInMs)},
      last_error = ${failure.error.slice(0, ERROR_LENGTH_MAX)}, dead_at = ${failure.dead ? LEDGER_NOW : null}
    WHERE id IN (${ids})`.execute(db);
}

/** Undelivered rows for operators, oldest first; with `deadOnly`, the dead ones only. */
export function listOrderEvents(
  db: Db,
  { limit, afterId, deadOnly }: { readonly limit: number; readonly afterId: number; readonly deadOnly: boolean },
) {
  return db
    .selectFrom('order_events')
    .selectAll()
    .where('id', '>', afterId)
    .$if(deadOnly, (query) => query.where('dead_at', 'is not', null))
    .orderBy('id')
    .limit(limit)
    .execute();
}
