import { setTimeout as pause } from 'node:timers/promises';
import type { RowDataPacket } from 'mysql2';
import type { Stage } from '../stage/stage.ts';
import type { Sale } from './sale.ts';
import { Broken } from './scenario.ts';

const POLL_MS = 10;
const SCAN_COUNT = 5_000;

/** The number of units of a sale that are sold by the ledger. */
export async function soldOf({ sql }: Pick<Stage, 'sql'>, sale: Sale): Promise<number> {
  const [rows] = await sql.query<RowDataPacket[]>('SELECT sold FROM products WHERE id = ?', [sale.id]);
  return Number(rows[0]?.['sold'] ?? 0);
}

/**
 * Waits until the ledger has sold that many units.
 *
 * @throws Broken if that takes too long
 */
export async function untilSold(
  stage: Pick<Stage, 'sql'>,
  sale: Sale,
  count: number,
  limitMs = 120_000,
): Promise<void> {
  const untilMs = performance.now() + limitMs;
  while ((await soldOf(stage, sale)) < count) {
    if (performance.now() > untilMs)
      throw new Broken([`sale ${sale.id}: fewer than ${count} orders after ${limitMs} ms`]);
    await pause(POLL_MS);
  }
}

/**
 * The names of a sale's keys, written again from `docs/redis-keys.md`: the audit shares no code
 * with the service.
 */
const keyOf = (sale: Sale, part: string): string => `v4:sale:{0}:${sale.id}:${part}`;

/**
 * Checks that no order was lost or invented: every accepted order number is one live order, there
 * is no other, and the rest of the units is available. Reads Redis and MySQL itself.
 *
 * @param accepted the order numbers in the answers
 * @throws Broken with the differences
 */
export async function audit(stage: Stage, sale: Sale, accepted: readonly string[]): Promise<void> {
  await untilSold(stage, sale, new Set(accepted).size);
  await untilSettled(stage, sale);
  const [rows] = await stage.sql.query<RowDataPacket[]>(
    'SELECT order_no, CAST(user_id AS CHAR) AS user_id, status FROM orders WHERE product_id = ?',
    [sale.id],
  );
  const owners = await readHash(stage, keyOf(sale, 'owners'));
  const available = Number(await stage.redis.hget(keyOf(sale, 'state'), 'available'));
  const sold = await soldOf(stage, sale);
  const findings = findingsOf({
    units: sale.units,
    accepted,
    orders: rows.map((row) => ({
      order_no: String(row['order_no']),
      user_id: String(row['user_id']),
      status: String(row['status']),
    })),
    owners,
    available,
    sold,
  });
  if (stage.crashes.length > 0) findings.push(...stage.crashes.splice(0));
  if (findings.length > 0) throw new Broken(findings);
}

interface OrderRow {
  readonly order_no: string;
  readonly user_id: string;
  readonly status: string;
}

export interface AuditReading {
  readonly units: number;
  readonly accepted: readonly string[];
  readonly orders: readonly OrderRow[];
  /** User → order number. */
  readonly owners: ReadonlyMap<string, string>;
  readonly available: number;
  readonly sold: number;
}

/** The differences in a sale that does not change any more; one sentence each. */
export function findingsOf({ units, accepted, orders, owners, available, sold }: AuditReading): string[] {
  const findings: string[] = [];
  const answered = new Set(accepted);
  const live = orders.filter(({ status }) => status === 'pending_payment');
  const written = new Set(live.map(({ order_no: orderNo }) => orderNo));
  const lost = [...answered].filter((orderNo) => !written.has(orderNo));
  if (lost.length > 0) findings.push(`${lost.length} accepted orders are not in the ledger, such as ${lost[0]}`);
  const unasked = live.filter(({ order_no: orderNo }) => !answered.has(orderNo));
  if (unasked.length > 0)
    findings.push(`${unasked.length} orders were never answered, such as ${unasked[0]!.order_no}`);
  if (live.length > units) findings.push(`${live.length} live orders for ${units} units`);
  if (sold !== live.length) findings.push(`sold is ${sold} and there are ${live.length} live orders`);
  if (available + owners.size !== units)
    findings.push(`available ${available} + owners ${owners.size} is not ${units}`);
  const strangers = live.filter(({ order_no: orderNo, user_id: userId }) => owners.get(userId) !== orderNo);
  if (strangers.length > 0 || owners.size !== live.length) {
    findings.push(`${owners.size} owners do not name the ${live.length} live orders`);
  }
  return findings;
}

/** Rows are written before batches are removed. */
async function untilSettled({ redis }: Stage, sale: Sale): Promise<void> {
  const untilMs = performance.now() + 30_000;
  while ((await redis.hlen(keyOf(sale, 'batches'))) > 0) {
    if (performance.now() > untilMs) throw new Broken([`sale ${sale.id}: batches are left`]);
    await pause(POLL_MS);
  }
}

async function readHash({ redis }: Stage, key: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  let cursor = '0';
  do {
    const [next, flat] = await redis.hscan(key, cursor, 'COUNT', SCAN_COUNT);
    for (let i = 0; i < flat.length; i += 2) found.set(flat[i]!, flat[i + 1]!);
    cursor = next;
  } while (cursor !== '0');
  return found;
}
