import { sql, type Selectable } from 'kysely';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { LEDGER_NOW, ledgerNowPlus } from '../platform/mysql/clock.ts';
import type { OrderEventsTable } from '../platform/mysql/schema.ts';

/**
 * Rows changed in one transaction: few enough that nobody waits for it, and no statement limit is
 * met.
 */
const CHANGED_AT_ONCE = 500;
/** Messages given up in one transaction. */
const MESSAGES_AT_ONCE = 50;

/**
 * Changes rows by their primary key alone, so that no other row is locked: `change` names the key
 * to the server, which may find a scan of all rows cheaper.
 */
function changeRows(db: Db, ids: readonly number[], change: (tx: Tx) => Promise<bigint>): Promise<number> {
  if (ids.length === 0) return Promise.resolve(0);
  return db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (tx) => Number(await change(tx)));
}

/**
 * Changes dead rows batch by batch. A message is never divided: its rows died together, and a part
 * of it must not be sent.
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
    const { numAffectedRows } = await sql`
      UPDATE order_events FORCE INDEX (PRIMARY)
      SET dead_at = NULL, next_attempt_at = NULL, attempts = 0, waiting_since = ${LEDGER_NOW}
      WHERE id IN (${ids}) AND dead_at IS NOT NULL`.execute(tx);
    return numAffectedRows!;
  });
}

async function deleteDead(tx: Tx, ids: readonly number[]): Promise<bigint> {
  // The form for several tables: the one for a single table takes no index.
  const { numAffectedRows } = await sql`
    DELETE order_events FROM order_events FORCE INDEX (PRIMARY)
    WHERE id IN (${ids}) AND dead_at IS NOT NULL`.execute(tx);
  return numAffectedRows!;
}

/** Deletes the dead rows. Returns the number of rows. */
export const discardDeadOrderEvents = (db: Db): Promise<number> => changeDead(db, {}, deleteDead);

/**
 * Deletes rows that have been dead for `deadForMs`: nobody wanted them, and they would keep their
 * sale from being archived. Returns the number of rows.
 */
export const discardOldOrderEvents = (db: Db, deadForMs: number): Promise<number> =>
  changeDead(db, { deadForMs }, deleteDead);

/**
 * Marks rows as dead that have waited for `giveUpMs` while nobody delivers, batch by batch and
 * whole messages only. Returns the number of rows.
 *
 * @param reason the reason that operators see
 */
export async function giveUpOrderEvents(db: Db, giveUpMs: number, reason: string): Promise<number> {
  const since = ledgerNowPlus(-giveUpMs);
  const giveUp = (ids: readonly number[], isBegun: boolean): Promise<number> =>
    changeRows(db, ids, async (tx) => {
      const { numAffectedRows } = await sql`
        UPDATE order_events FORCE INDEX (PRIMARY) SET dead_at = ${LEDGER_NOW}, last_error = ${reason}
        WHERE id IN (${ids}) AND dead_at IS NULL AND (message_id IS NOT NULL) = ${isBegun}`.execute(tx);
      return numAffectedRows!;
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
