import { sql, type Selectable } from 'kysely';
import { EVENTS_PER_MESSAGE_MAX, type EventMessage, type OrderEvents } from './order-events.ts';
import type { OrderStatus } from '../order/order.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { LEDGER_NOW, ledgerNowPlus } from '../platform/mysql/clock.ts';
import type { OrderEventsTable } from '../platform/mysql/schema.ts';

const ERROR_LENGTH_MAX = 200;

/** An order that reached a status. */
export interface OrderCame {
  readonly order_no: string;
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
  now_ms: number,
): Promise<void> {
  const now = new Date(now_ms);
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
      (came) => [productId, came[0]!.status, came.map(({ order_no }) => order_no).join(' '), came.length, now, now],
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
      found.map(({ message_id }) => message_id),
    )
    .orderBy('id')
    .execute();
  return [...Map.groupBy(rows, ({ message_id }) => message_id!)].map(([message_id, of]) => ({
    message_id,
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
    order_nos: row.order_nos.split(' '),
    came_ms: row.created_at.getTime(),
    message_id: row.message_id ?? undefined,
    attempts: row.attempts,
    next_attempt_ms: row.next_attempt_at?.getTime(),
    waiting_since_ms: row.waiting_since.getTime(),
  };
}

/**
 * Assigns these rows to a message before it is first sent. Returns false, and changes nothing, if
 * another process has assigned one of them already.
 */
export async function nameMessage(db: Db, ids: readonly number[], message_id: string): Promise<boolean> {
  const tx = await db.startTransaction().execute();
  try {
    const { numUpdatedRows } = await tx
      .updateTable('order_events')
      .set({ message_id })
      .where('id', 'in', ids)
      .where('message_id', 'is', null)
      .executeTakeFirst();
    const isOurs = numUpdatedRows === BigInt(ids.length);
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
  await db.deleteFrom('order_events').where('id', 'in', ids).execute();
}

/** Records a failed attempt. With `dead` it was the last one. */
export async function recordFailedAttempt(
  db: Db,
  ids: readonly number[],
  failure: { readonly error: string; readonly next_attempt_in_ms: number; readonly dead: boolean },
): Promise<void> {
  await db
    .updateTable('order_events')
    .set({
      attempts: sql`attempts + 1`,
      next_attempt_at: ledgerNowPlus(failure.next_attempt_in_ms),
      last_error: failure.error.slice(0, ERROR_LENGTH_MAX),
      dead_at: failure.dead ? LEDGER_NOW : null,
    })
    .where('id', 'in', ids)
    .execute();
}

/** Undelivered rows for operators, oldest first; with `dead_only`, the dead ones only. */
export function listOrderEvents(
  db: Db,
  { limit, after_id, dead_only }: { readonly limit: number; readonly after_id: number; readonly dead_only: boolean },
) {
  return db
    .selectFrom('order_events')
    .selectAll()
    .where('id', '>', after_id)
    .$if(dead_only, (query) => query.where('dead_at', 'is not', null))
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Queues dead rows for delivery again, with their old message ids. Returns how many rows. */
export async function reviveOrderEvents(db: Db): Promise<number> {
  const { numUpdatedRows } = await db
    .updateTable('order_events')
    .set({ dead_at: null, next_attempt_at: null, attempts: 0, waiting_since: LEDGER_NOW })
    .where('dead_at', 'is not', null)
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

/** Deletes the dead rows. Returns how many. */
export async function discardDeadOrderEvents(db: Db): Promise<number> {
  const { numDeletedRows } = await db.deleteFrom('order_events').where('dead_at', 'is not', null).executeTakeFirst();
  return Number(numDeletedRows);
}

/**
 * Gives up rows that have waited for `give_up_ms` while delivery is off, whole messages only.
 * Returns how many rows.
 *
 * @param reason the reason that operators see
 */
export async function giveUpOrderEvents(db: Db, give_up_ms: number, reason: string): Promise<number> {
  const since = ledgerNowPlus(-give_up_ms);
  const { numAffectedRows: fresh = 0n } = await sql`
    UPDATE order_events SET dead_at = ${LEDGER_NOW}, last_error = ${reason}
    WHERE dead_at IS NULL AND message_id IS NULL AND waiting_since <= ${since}`.execute(db);
  const { numAffectedRows: begun = 0n } = await sql`
    UPDATE order_events JOIN (
      SELECT message_id FROM order_events WHERE dead_at IS NULL AND message_id IS NOT NULL
      GROUP BY message_id HAVING MAX(waiting_since) <= ${since}
    ) AS given_up ON given_up.message_id = order_events.message_id
    SET dead_at = ${LEDGER_NOW}, last_error = ${reason}
    WHERE dead_at IS NULL`.execute(db);
  return Number(fresh + begun);
}

/**
 * Deletes rows that have been dead for `dead_for_ms`: nobody retried them, and they would keep
 * their sale from being archived. Returns how many.
 */
export async function discardOldOrderEvents(db: Db, dead_for_ms: number): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('order_events')
    .where('dead_at', '<=', ledgerNowPlus(-dead_for_ms))
    .executeTakeFirst();
  return Number(numDeletedRows);
}
