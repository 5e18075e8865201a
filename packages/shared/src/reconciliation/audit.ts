import { sql } from 'kysely';
import { RESERVATION_LATE_MS } from '../admission/reservation.ts';
import type { SaleRef } from '../sale/sale.ts';
import type { Db } from '../platform/mysql/client.ts';
import type { RedisClient } from '../platform/redis/client.ts';
import type { Commands } from '../commands.ts';
import type { Keys } from '../platform/redis/keys.ts';
import { findingsOfEntries } from './audit-entries.ts';
import { withLoadedLease, type Lease, type LeaseMetrics } from '../sale/lease.ts';

const FINDINGS_MAX = 20;

export interface AuditDeps {
  readonly commands: Commands;
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly db: Db;
  readonly metrics?: LeaseMetrics;
}

/** The counts of one sale, and the differences that the audit found. */
export interface Audit {
  readonly saleId: number;
  /**
   * `skipped`: Redis has not loaded the sale in its present history; a rebuild must come first.
   * `late`: all counts agree, but an order has waited too long for the ledger.
   */
  readonly verdict: 'clean' | 'drift' | 'late' | 'skipped';
  readonly units: number;
  readonly available: number;
  /** The number of units that shoppers hold. */
  readonly held: number;
  readonly reservations: number;
  readonly liveOrders: number;
  /** The units of live orders, by the sale's row. */
  readonly sold: number;
  readonly unappliedReturns: number;
  /** One sentence per finding; empty if the sale is clean. */
  readonly findings: string[];
}

/** An audit as the API answers it and the command prints it. */
export function auditJson(audit: Audit) {
  const { saleId, verdict, units, available, held, reservations, sold, findings } = audit;
  return {
    sale_id: saleId,
    verdict,
    units,
    available,
    held,
    reservations,
    live_orders: audit.liveOrders,
    sold,
    unapplied_returns: audit.unappliedReturns,
    findings,
  };
}

/** The facts of a sale that admission uses, by their names in the sale's state in Redis. */
const FACTS = ['total', 'price_cents', 'units_per_shopper', 'start_ms', 'end_ms'] as const;
type Facts = Readonly<Record<(typeof FACTS)[number], number>>;

interface RedisCounts {
  readonly available: number;
  readonly owners: number;
  /** The units that owners hold beyond one for each. */
  readonly extraHeld: number;
  /** The units that owners hold. */
  readonly held: number;
  readonly reservations: number;
  /** Batches and their times must have the same number. */
  readonly batches: number;
  readonly batchTimes: number;
}

interface LedgerCounts {
  readonly seckillStock: number;
  readonly version: number;
  readonly pauseVersion: number;
  readonly sold: number;
  readonly liveOrders: number;
  readonly liveUnits: number;
  readonly unappliedReturns: number;
}

/**
 * Checks the conservation of one sale under its lease: `available + held = seckill_stock`. The
 * owners must be exactly the live orders, the reservations that are not in the ledger, and the
 * closed or failed orders with an unapplied return whose owner entry still exists, each with the
 * quantity of its order. The facts in Redis must equal those of the row. Counts are compared first.
 * If they differ or `thorough` is set, entries are compared. Shoppers can buy during the audit: an
 * admission adds an owner and a reservation at once, so it changes none of the compared
 * differences. The audit reads Redis and MySQL itself and shares no code with admission or the
 * writer.
 *
 * @returns undefined if another process holds the lease for longer than `waitMs`
 * @throws LeaseLost and the errors of the servers
 */
export function auditSale(
  deps: AuditDeps,
  sale: SaleRef,
  options: { readonly waitMs: number; readonly thorough: boolean },
): Promise<Audit | undefined> {
  const audit = async (lease: Lease, thorough = options.thorough): Promise<Audit> => {
    // Redis before the ledger: a pause is committed before it is set in Redis.
    const { ready, version, nowMs, pauseVersion } = await deps.commands.readSale(sale);
    const redis = await countRedis(deps, sale);
    const ledger = await countLedger(deps.db, sale, { addsUnits: thorough || redis.extraHeld > 0 });
    const skipped = !ready || version !== ledger.version;
    if (!skipped && !thorough && differ(redis, ledger)) return audit(lease, true);
    let findings: string[] = [];
    if (!skipped) {
      findings = [
        ...findingsOfFacts(await readFacts(deps, sale), ledger.facts),
        ...findingsOfPause(pauseVersion, ledger.pauseVersion),
      ];
      if (thorough) findings.push(...findingsOfCounts(redis, ledger), ...(await findingsOfEntries(deps, sale)));
    }
    const drifts = findings.length > 0;
    const late = skipped ? [] : await findingsOfLate(deps, sale, nowMs);
    findings.push(...late);
    lease.check();
    return {
      saleId: sale.id,
      verdict: skipped ? 'skipped' : drifts ? 'drift' : late.length > 0 ? 'late' : 'clean',
      units: ledger.seckillStock,
      available: redis.available,
      held: redis.held,
      reservations: redis.reservations,
      liveOrders: ledger.liveOrders,
      sold: ledger.sold,
      unappliedReturns: ledger.unappliedReturns,
      findings: findings.slice(0, FINDINGS_MAX),
    };
  };
  return withLoadedLease(deps, sale, options.waitMs, audit);
}

/** The counts in Redis at one instant. */
async function countRedis({ redis, keys }: AuditDeps, sale: SaleRef): Promise<RedisCounts> {
  const { state, owners, batches, batchTimes } = keys.sale(sale);
  const replies = await redis
    .multi()
    .hmget(state, 'available', 'backlog', 'extra_held')
    .hlen(owners)
    .hlen(batches)
    .zcard(batchTimes)
    .exec();
  const [[available, backlog, extra], ...counts] = (replies ?? []).map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  }) as [(string | null)[], number, number, number];
  const [owned, batchCount, times] = counts;
  const extraHeld = Number(extra);
  return {
    available: Number(available),
    owners: owned,
    extraHeld,
    held: owned + extraHeld,
    reservations: Number(backlog),
    batches: batchCount,
    batchTimes: times,
  };
}

async function readFacts({ redis, keys }: AuditDeps, sale: SaleRef): Promise<Facts> {
  const found = await redis.hmget(keys.sale(sale).state, ...FACTS);
  return Object.fromEntries(FACTS.map((name, i) => [name, Number(found[i])])) as Facts;
}

/**
 * The counts in the ledger and the facts of the row, in one snapshot.
 *
 * @param addsUnits false if every order seems to have one unit: counting orders reads an index only
 */
async function countLedger(
  db: Db,
  { id }: SaleRef,
  { addsUnits }: { readonly addsUnits: boolean },
): Promise<LedgerCounts & { readonly facts: Facts }> {
  const units = addsUnits ? sql`COALESCE(SUM(quantity), 0)` : sql`COUNT(*)`;
  const { rows } = await sql<
    Record<keyof LedgerCounts | 'price_cents' | 'units_per_shopper', number | string> & {
      readonly start_time: Date;
      readonly end_time: Date;
    }
  >`
    SELECT seckill_stock AS seckillStock, version, pause_version AS pauseVersion, sold, price_cents,
      units_per_shopper, start_time, end_time,
      (SELECT COUNT(*) FROM orders WHERE product_id = ${id} AND live = 1) AS liveOrders,
      (SELECT ${units} FROM orders WHERE product_id = ${id} AND live = 1) AS liveUnits,
      (SELECT COUNT(*) FROM stock_returns WHERE product_id = ${id} AND applied_at IS NULL) AS unappliedReturns
    FROM products WHERE id = ${id}`.execute(db);
  const row = rows[0];
  if (row === undefined) throw new Error(`Sale ${id} is not in the ledger`);
  return {
    seckillStock: Number(row.seckillStock),
    version: Number(row.version),
    pauseVersion: Number(row.pauseVersion),
    sold: Number(row.sold),
    liveOrders: Number(row.liveOrders),
    liveUnits: Number(row.liveUnits),
    unappliedReturns: Number(row.unappliedReturns),
    facts: {
      total: Number(row.seckillStock),
      price_cents: Number(row.price_cents),
      units_per_shopper: Number(row.units_per_shopper),
      start_ms: row.start_time.getTime(),
      end_ms: row.end_time.getTime(),
    },
  };
}

/**
 * Whether every entry must be compared. Counts can differ without a drift: a crash between COMMIT
 * and settle leaves reservations that are in the ledger, and the return of a failed order may have
 * no owner entry.
 */
function differ(redis: RedisCounts, ledger: LedgerCounts): boolean {
  return (
    findingsOfCounts(redis, ledger).length > 0 ||
    redis.owners - redis.reservations !== ledger.liveOrders + ledger.unappliedReturns ||
    (redis.owners === ledger.liveOrders && redis.held !== ledger.liveUnits)
  );
}

/**
 * Facts that differ under the same version: the row was changed by SQL and not by an API call, so
 * Redis does not have the change. API calls change facts under the lease.
 */
function findingsOfFacts(redis: Facts, row: Facts): string[] {
  return FACTS.filter((name) => redis[name] !== row[name]).map(
    (name) => `${name} is ${redis[name]} in Redis and ${row[name]} in the row: a repair uses the value of the row`,
  );
}

/**
 * A pause that Redis has and the row has not: the ledger has lost its commit, since a MySQL replica
 * was promoted that had not received it. The next pause or resume would have no effect.
 */
function findingsOfPause(inRedis: number, inRow: number): string[] {
  if (inRedis <= inRow) return [];
  return [`the pause in Redis has version ${inRedis} and the row ${inRow}: a repair writes it into the row`];
}

/** Counts that must agree at any time. */
function findingsOfCounts(redis: RedisCounts, ledger: LedgerCounts): string[] {
  const findings: string[] = [];
  const { available, held } = redis;
  const { seckillStock, sold, liveUnits } = ledger;
  if (available + held !== seckillStock)
    findings.push(`available ${available} + held ${held} is not seckill_stock ${seckillStock}`);
  if (sold !== liveUnits) findings.push(`sold ${sold} is not the ${liveUnits} units of live orders`);
  if (liveUnits > seckillStock)
    findings.push(`the ${liveUnits} units of live orders exceed seckill_stock ${seckillStock}`);
  // A batch has one order at least.
  if (redis.reservations < redis.batches || (redis.batches === 0 && redis.reservations > 0)) {
    findings.push(`backlog ${redis.reservations} does not fit ${redis.batches} batches`);
  }
  if (redis.batches !== redis.batchTimes) {
    findings.push(`batches ${redis.batches} are not batch_times ${redis.batchTimes}`);
  }
  return findings;
}

/** Batches that should be in the ledger by now. */
async function findingsOfLate({ redis, keys }: AuditDeps, sale: SaleRef, nowMs: number): Promise<string[]> {
  const below = `(${nowMs - RESERVATION_LATE_MS}`;
  const { batchTimes } = keys.sale(sale);
  const flat = await redis.zrange(batchTimes, '-inf', below, 'BYSCORE', 'LIMIT', 0, FINDINGS_MAX, 'WITHSCORES');
  const findings: string[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const ageS = Math.round((nowMs - Number(flat[i + 1])) / 1_000);
    findings.push(`batch ${flat[i]} has waited ${ageS} s for the ledger: a repair adds its job to the queue again`);
  }
  return findings;
}
