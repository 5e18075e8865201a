import { sql } from 'kysely';
import type { DenyKind } from './deny-set.ts';
import type { Db, Tx } from '@flash-sale/shared/platform/mysql/client.ts';
import { LEDGER_NOW } from '@flash-sale/shared/platform/mysql/clock.ts';

const ONLY_ROW = 1;

/** A user or an address that is refused. */
export interface DenyEntry {
  readonly kind: DenyKind;
  /** A user id, or a CIDR. */
  readonly value: string;
  readonly reason: string | null;
  /** Null: does not expire. */
  readonly expiresAt: Date | null;
  readonly createdAt: Date;
}

/** Inserts an entry, or replaces the one with the same value. */
export async function upsertDenyEntry(tx: Tx, { kind, value, reason, expiresAt, createdAt }: DenyEntry): Promise<void> {
  await raiseVersion(tx);
  await sql`
    INSERT INTO deny_list (kind, value, reason, expires_at, created_at)
    VALUES (${kind}, ${value}, ${reason}, ${expiresAt}, ${createdAt})
    ON DUPLICATE KEY UPDATE reason = ${reason}, expires_at = ${expiresAt}, created_at = ${createdAt}`.execute(tx);
}

/** Deletes an entry. Returns whether it existed. */
export async function deleteDenyEntry(tx: Tx, kind: DenyKind, value: string): Promise<boolean> {
  await raiseVersion(tx);
  const { numDeletedRows } = await tx
    .deleteFrom('deny_list')
    .where('kind', '=', kind)
    .where('value', '=', value)
    .executeTakeFirst();
  return numDeletedRows === 1n;
}

/**
 * Called first in every change, so that changes wait for each other and a reader never gets an old
 * list with a new version.
 */
async function raiseVersion(tx: Tx): Promise<void> {
  await tx
    .updateTable('deny_list_version')
    .set({ version: sql`version + 1` })
    .where('id', '=', ONLY_ROW)
    .execute();
}

/** The list's version, and the time by the ledger's clock, which decides when entries expire. */
export async function readDenyListVersion(db: Db): Promise<{ version: number; nowMs: number }> {
  const row = await db
    .selectFrom('deny_list_version')
    .select(['version', LEDGER_NOW.as('now')])
    .where('id', '=', ONLY_ROW)
    .executeTakeFirstOrThrow();
  return { version: row.version, nowMs: row.now.getTime() };
}

/** The number of entries, expired ones included. */
export async function countDenyEntries(tx: Tx): Promise<number> {
  const { count } = await tx
    .selectFrom('deny_list')
    .select((where) => where.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return count;
}

/** The entries that have not expired, in order; with `after`, those after it. */
export async function listDenyEntries(
  db: Db,
  { limit, after }: { readonly limit?: number; readonly after?: Pick<DenyEntry, 'kind' | 'value'> | undefined } = {},
): Promise<DenyEntry[]> {
  return db
    .selectFrom('deny_list')
    .select(['kind', 'value', 'reason', 'expires_at as expiresAt', 'created_at as createdAt'])
    .where(sql<boolean>`(expires_at IS NULL OR expires_at > UTC_TIMESTAMP(3))`)
    .$if(after !== undefined, (query) => query.where(sql<boolean>`(kind, value) > (${after!.kind}, ${after!.value})`))
    .orderBy('kind')
    .orderBy('value')
    .$if(limit !== undefined, (query) => query.limit(limit!))
    .execute();
}

/** Deletes expired entries. */
export async function deleteExpiredDenyEntries(tx: Tx): Promise<void> {
  await tx
    .deleteFrom('deny_list')
    .where('expires_at', '<=', sql<Date>`UTC_TIMESTAMP(3)`)
    .execute();
}
