import { sql } from 'kysely';
import type { Operator } from '@flash-sale/shared/operator/operator.ts';
import type { Db, Tx } from '@flash-sale/shared/platform/mysql/client.ts';

/** One operator's call that changed something, or exported personal data. */
export interface OperatorAction {
  /** The name that the operator gave. The operator token proves only the role. */
  readonly operator: string;
  readonly role: Operator['role'];
  /** What was done, such as `pause`. */
  readonly action: string;
  /** The object, such as `product 17`. */
  readonly subject: string;
  /** Further facts, stored as JSON, so without secrets. */
  readonly detail?: unknown;
}

/** An action as it was recorded. */
export interface RecordedAction extends OperatorAction {
  readonly id: number;
  readonly detail: unknown;
  readonly createdAt: Date;
}

/**
 * Records an operator's call: in the transaction of its change if there is one, else before the
 * change, so that no change is unrecorded.
 */
export async function recordAction(db: Db | Tx, { detail = {}, ...action }: OperatorAction): Promise<void> {
  await db
    .insertInto('operator_actions')
    .values({ ...action, detail: JSON.stringify(detail), created_at: sql`UTC_TIMESTAMP(3)` })
    .execute();
}

/** An operator's calls on one subject belong to one action for this time. */
const ONE_ACTION_MINUTES = 60;
/** Only so many of the newest actions are read for it: the table has no index for the subject. */
const NEWEST_READ = 1_000;

/**
 * Whether the same operator has done the same to the same subject lately, so that a further page
 * belongs to the recorded action. If many others have acted since, it does not.
 */
export async function isRecorded(
  db: Db,
  { operator, role, action, subject }: Omit<OperatorAction, 'detail'>,
): Promise<boolean> {
  // Compared byte by byte, since for the column `u1` and `U1` are equal.
  const { rows } = await sql`
    SELECT 1 FROM operator_actions
    WHERE id > (SELECT MAX(id) FROM operator_actions) - ${NEWEST_READ}
      AND created_at > UTC_TIMESTAMP(3) - INTERVAL ${ONE_ACTION_MINUTES} MINUTE
      AND action = ${action} AND role = ${role}
      AND CAST(operator AS BINARY) = ${operator} AND CAST(subject AS BINARY) = ${subject}
    LIMIT 1`.execute(db);
  return rows.length > 0;
}

/** The operators' actions, newest first; with `beforeId`, the older ones. */
export async function listActions(
  db: Db,
  { limit, beforeId }: { readonly limit: number; readonly beforeId?: number | undefined },
): Promise<RecordedAction[]> {
  const rows = await db
    .selectFrom('operator_actions')
    .selectAll()
    .$if(beforeId !== undefined, (query) => query.where('id', '<', beforeId!))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(({ detail, created_at: createdAt, ...row }) => ({
    ...row,
    detail: JSON.parse(detail) as unknown,
    createdAt,
  }));
}
