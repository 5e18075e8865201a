import { sql } from 'kysely';
import type { Db, Tx } from '../platform/mysql/client.ts';

/** Counters without buckets. A status counts the orders that reached it. */
export type SaleTotal =
  | 'pending_payment'
  | 'failed'
  | 'paid'
  | 'cancelled'
  | 'expired'
  | 'refunded'
  | 'revenue_cents'
  | 'refunded_cents';

/** The number of buys by outcome, kept after Redis has deleted the sale. */
export type KeptOutcome = `outcome:${string}`;

/**
 * `accepted_at`: orders by the second of their admission. `row_after_ms`: orders by the time from
 * admission to their row, rounded up.
 */
export type SaleSeries = 'accepted_at' | 'row_after_ms';

export interface CounterChange {
  readonly name: SaleTotal | SaleSeries | KeptOutcome;
  /** 0 for a total. */
  readonly bucket: number;
  readonly value: number;
}

/**
 * Adds to a sale's counters. Call it in the transaction that changes what they count, under the
 * lock of the sale's row.
 */
export async function addToCounters(tx: Tx, productId: number, changes: readonly CounterChange[]): Promise<void> {
  const rows = changes
    .filter(({ value }) => value !== 0)
    .map(({ name, bucket, value }) => [productId, name, bucket, value]);
  if (rows.length === 0) return;
  await sql`
    INSERT INTO sale_counters (product_id, name, bucket, value) VALUES ${rows}
    ON DUPLICATE KEY UPDATE value = value + VALUES(value)`.execute(tx);
}

/** The counter changes for orders that were just written: totals and the two series. */
export function changesOfWritten(
  orders: readonly { readonly status: string; readonly createdAtMs: number }[],
  nowMs: number,
): CounterChange[] {
  const sums = new Map<string, CounterChange & { value: number }>();
  const add = (name: CounterChange['name'], bucket: number): void => {
    const key = `${name} ${bucket}`;
    const change = sums.get(key);
    if (change === undefined) sums.set(key, { name, bucket, value: 1 });
    else change.value += 1;
  };
  for (const { status, createdAtMs } of orders) {
    add(status as 'pending_payment' | 'failed', 0);
    add('accepted_at', Math.floor(createdAtMs / 1_000));
    add('row_after_ms', latencyBucketMs(nowMs - createdAtMs));
  }
  return [...sums.values()];
}

/** Rounds a latency up to a bucket. Buckets are about 25 % apart, so that a series stays short. */
function latencyBucketMs(latencyMs: number): number {
  const positive = Math.max(1, latencyMs);
  const step = 2 ** Math.max(0, Math.floor(Math.log2(positive)) - 2);
  return Math.ceil(positive / step) * step;
}

/**
 * Stores a sale's buys by outcome in the ledger before Redis deletes the sale. A repeat changes
 * nothing.
 */
export async function keepOutcomes(
  db: Db,
  productId: number,
  outcomes: Readonly<Record<string, number>>,
): Promise<void> {
  const rows = Object.entries(outcomes).map(([outcome, count]) => [productId, `outcome:${outcome}`, 0, count]);
  if (rows.length === 0) return;
  await sql`
    INSERT INTO sale_counters (product_id, name, bucket, value) VALUES ${rows}
    ON DUPLICATE KEY UPDATE value = VALUES(value)`.execute(db);
}

/** The totals of a sale by the status that its orders reached. */
export type SaleTotals = Readonly<Record<(typeof STATUS_TOTALS)[number], number>>;
const STATUS_TOTALS = ['pending_payment', 'failed', 'paid', 'cancelled', 'expired', 'refunded'] as const;

/** The totals of these sales; zeros for a sale without any. */
export async function readTotals(db: Db, productIds: readonly number[]): Promise<ReadonlyMap<number, SaleTotals>> {
  if (productIds.length === 0) return new Map();
  const rows = await db
    .selectFrom('sale_counters')
    .select('product_id as productId')
    .select(({ fn, eb }) =>
      STATUS_TOTALS.map((name) =>
        fn.sum<number | string>(eb.case().when('name', '=', name).then(eb.ref('value')).else(0).end()).as(name),
      ),
    )
    .where('product_id', 'in', productIds)
    .where('name', 'in', STATUS_TOTALS)
    .where('bucket', '=', 0)
    .groupBy('product_id')
    .execute();
  const none = Object.fromEntries(STATUS_TOTALS.map((name) => [name, 0])) as unknown as SaleTotals;
  const found = new Map(
    rows.map(({ productId, ...sums }) => [
      productId,
      Object.fromEntries(STATUS_TOTALS.map((name) => [name, Number(sums[name])])) as unknown as SaleTotals,
    ]),
  );
  return new Map(productIds.map((id) => [id, found.get(id) ?? none]));
}

export async function readCounters(db: Db, productId: number): Promise<CounterChange[]> {
  const rows = await db
    .selectFrom('sale_counters')
    .select(['name', 'bucket', 'value'])
    .where('product_id', '=', productId)
    .orderBy('bucket')
    .execute();
  return rows as CounterChange[];
}
