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
    const { numUpdatedRows } = await tx
      .updateTable('order_events')
      .set({ message_id: messageId })
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
  failure: { readonly error: string; readonly nextAttemptInMs: number; readonly dead: boolean },
): Promise<void> {
  await db
    .updateTable('order_events')
    .set({
      attempts: sql`attempts + 1`,
      next_attempt_at: ledgerNowPlus(failure.nextAttemptInMs),
      last_error: failure.error.slice(0, ERROR_LENGTH_MAX),
      dead_at: failure.dead ? LEDGER_NOW : null,
    })
    .where('id', 'in', ids)
    .execute();
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

/** Rows changed in one transaction: few enough that nobody waits for it, and no statement limit is met. */
const CHANGED_AT_ONCE = 500;
/** Messages given up in one transaction. */
const MESSAGES_AT_ONCE = 50;

/** Changes rows by their primary key alone, so that no other row is locked. */
function changeRows(db: Db, ids: readonly number[], change: (tx: Tx) => Promise<bigint>): Promise<number> {
  if (ids.length === 0) return Promise.resolve(0);
  return db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (tx) => Number(await change(tx)));
}

/**
 * Changes dead rows batch by batch. A message is never divided: its rows died together, and a part of
 * it must not be sent.
 */
async function changeDead(
  db: Db,
  { deadForMs }: { readonly deadForMs?: number },
  change: (tx: Tx, ids: readonly number[]) => Promise<bigint>,
): Promise<number> {
  let changed = 0;
  for (;;) {
    const found = await db
      .selectFrom('order_events')
      .select(['id', 'message_id', 'dead_at'])
      .where('dead_at', 'is not', null)
      .$if(deadForMs !== undefined, (query) => query.where('dead_at', '<=', ledgerNowPlus(-deadForMs!)))
      .orderBy('dead_at')
      .orderBy('id')
      .limit(CHANGED_AT_ONCE)
      .execute();
    const ids = new Set(found.map(({ id }) => id));
    // The last one may go on behind the batch.
    const last = found.at(-1);
    if (last !== undefined) for (const id of await deadTogether(db, last.dead_at!, messagesOf(found))) ids.add(id);
    changed += await changeRows(db, [...ids], (tx) => change(tx, [...ids]));
    if (found.length < CHANGED_AT_ONCE) return changed;
  }
}

const messagesOf = (rows: readonly Pick<Selectable<OrderEventsTable>, 'message_id'>[]): string[] => [
  ...new Set(rows.flatMap((row) => row.message_id ?? [])),
];

async function deadTogether(db: Db, deadAt: Date, messageIds: readonly string[]): Promise<number[]> {
  if (messageIds.length === 0) return [];
  const rows = await db
    .selectFrom('order_events')
    .select('id')
    .where('dead_at', '=', deadAt)
    .where('message_id', 'in', messageIds)
    .execute();
  return rows.map(({ id }) => id);
}

/** Returns dead rows to delivery, under their old message ids. Returns the number of rows. */
export function reviveOrderEvents(db: Db): Promise<number> {
  return changeDead(db, {}, async (tx, ids) => {
    const { numUpdatedRows } = await tx
      .updateTable('order_events')
      .set({ dead_at: null, next_attempt_at: null, attempts: 0, waiting_since: LEDGER_NOW })
      .where('id', 'in', ids)
      .where('dead_at', 'is not', null)
      .executeTakeFirst();
    return numUpdatedRows;
  });
}

async function deleteDead(tx: Tx, ids: readonly number[]): Promise<bigint> {
  const { numDeletedRows } = await tx
    .deleteFrom('order_events')
    .where('id', 'in', ids)
    .where('dead_at', 'is not', null)
    .executeTakeFirst();
  return numDeletedRows;
}

/** Deletes the dead rows. Returns the number of rows. */
export const discardDeadOrderEvents = (db: Db): Promise<number> => changeDead(db, {}, deleteDead);

/**
 * Deletes rows that have been dead for `deadForMs`: nobody wanted them, and they would keep their sale
 * from being archived. Returns the number of rows.
 */
export const discardOldOrderEvents = (db: Db, deadForMs: number): Promise<number> =>
  changeDead(db, { deadForMs }, deleteDead);

/**
 * Marks rows as dead that have waited for `giveUpMs` while nobody delivers, batch by batch and whole
 * messages only. Returns the number of rows.
 *
 * @param reason the reason that operators see
 */
export async function giveUpOrderEvents(db: Db, giveUpMs: number, reason: string): Promise<number> {
  const since = ledgerNowPlus(-giveUpMs);
  const giveUp = (ids: readonly number[], isBegun: boolean): Promise<number> =>
    changeRows(db, ids, async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable('order_events')
        .set({ dead_at: LEDGER_NOW, last_error: reason })
        .where('id', 'in', ids)
        .where('dead_at', 'is', null)
        .where('message_id', isBegun ? 'is not' : 'is', null)
        .executeTakeFirst();
      return numUpdatedRows;
    });

  let changed = 0;
  for (let afterId = 0; ;) {
    const { rows } = await sql<{ id: number }>`
      SELECT id FROM order_events
      WHERE dead_at IS NULL AND message_id IS NULL AND waiting_since <= ${since} AND id > ${afterId}
      ORDER BY id LIMIT ${sql.lit(CHANGED_AT_ONCE)}`.execute(db);
    const ids = rows.map(({ id }) => id);
    changed += await giveUp(ids, false);
    if (ids.length < CHANGED_AT_ONCE) break;
    afterId = ids.at(-1)!;
  }
  for (let after = ''; ;) {
    const { rows: messages } = await sql<{ message_id: string }>`
      SELECT message_id FROM order_events WHERE dead_at IS NULL AND message_id > ${after}
      GROUP BY message_id HAVING MAX(waiting_since) <= ${since}
      ORDER BY message_id LIMIT ${sql.lit(MESSAGES_AT_ONCE)}`.execute(db);
    if (messages.length === 0) return changed;
    const names = messages.map(({ message_id: messageId }) => messageId);
    const rows = await db
      .selectFrom('order_events')
      .select('id')
      .where('dead_at', 'is', null)
      .where('message_id', 'in', names)
      .execute();
    changed += await giveUp(
      rows.map(({ id }) => id),
      true,
    );
    after = names.at(-1)!;
  }
}
