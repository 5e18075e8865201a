import { sql } from 'kysely';
import { RESERVATION_LATE_MS } from '../admission/reservation.ts';
import type { SaleRef } from '../sale/sale.ts';
import type { Db } from '../platform/mysql/client.ts';
import type { RedisClient } from '../platform/redis/client.ts';
import type { Commands } from '../commands.ts';
import type { Keys } from '../platform/redis/keys.ts';
import { withLoadedLease, type Lease, type LeaseMetrics } from '../sale/lease.ts';

const SCAN_COUNT = 1_000;
/** A batch is some kilobytes. */
const BATCHES_SCANNED = 50;
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
  readonly owners: number;
  readonly reservations: number;
  readonly liveOrders: number;
  readonly sold: number;
  readonly unappliedReturns: number;
  /** One sentence per finding; empty if the sale is clean. */
  readonly findings: string[];
}

/** An audit as the API answers it and the command prints it. */
export function auditJson(audit: Audit) {
  const { saleId, verdict, units, available, owners, reservations, sold, findings } = audit;
  return {
    sale_id: saleId,
    verdict,
    units,
    available,
    owners,
    reservations,
    live_orders: audit.liveOrders,
    sold,
    unapplied_returns: audit.unappliedReturns,
    findings,
  };
}

/** The facts of a sale that admission uses, by their names in the sale's state in Redis. */
const FACTS = ['total', 'price_cents', 'start_ms', 'end_ms'] as const;
type Facts = Readonly<Record<(typeof FACTS)[number], number>>;

interface RedisCounts {
  readonly available: number;
  readonly owners: number;
  readonly reservations: number;
}

/** The outbox of a sale: whether its batches and their times have the same number. */
interface OutboxCounts {
  readonly batches: number;
  readonly batchTimes: number;
}

interface LedgerCounts {
  readonly seckillStock: number;
  readonly version: number;
  readonly pauseVersion: number;
  readonly sold: number;
  readonly liveOrders: number;
  readonly unappliedReturns: number;
}

/**
 * Checks the conservation of one sale under its lease: `available + owners = seckill_stock`. The
 * owners must be exactly the live orders, the reservations that are not in the ledger, and the
 * closed or failed orders with an unapplied return whose owner entry still exists. The facts in
 * Redis must equal those of the row. Counts are compared first. Entries are compared if counts
 * differ or `thorough` is set. Shoppers can buy during the audit: an admission adds an owner and a
 * reservation at once, so it changes none of the compared differences. The audit reads Redis and
 * MySQL itself and shares no code with admission or the writer.
 *
 * @returns undefined if another process holds the lease for longer than `waitMs`
 * @throws LeaseLost and the errors of the servers
 */
export function auditSale(
  deps: AuditDeps,
  sale: SaleRef,
  options: { readonly waitMs: number; readonly thorough: boolean },
): Promise<Audit | undefined> {
  const audit = async (lease: Lease): Promise<Audit> => {
    // Redis before the ledger: a pause is committed before it is set in Redis.
    const { ready, version, nowMs, pauseVersion } = await deps.commands.readSale(sale);
    const redis = await countRedis(deps, sale);
    const ledger = await countLedger(deps.db, sale);
    const skipped = !ready || version !== ledger.version;
    let findings: string[] = [];
    if (!skipped) {
      findings = [
        ...findingsOfFacts(await readFacts(deps, sale), ledger.facts),
        ...findingsOfPause(pauseVersion, ledger.pauseVersion),
      ];
      if (options.thorough || differ(redis, ledger)) {
        findings.push(...findingsOfCounts(redis, ledger), ...(await findingsOfEntries(deps, sale)));
      }
    }
    const drifts = findings.length > 0;
    const late = skipped ? [] : await findingsOfLate(deps, sale, nowMs);
    findings.push(...late);
    lease.check();
    return {
      saleId: sale.id,
      verdict: skipped ? 'skipped' : drifts ? 'drift' : late.length > 0 ? 'late' : 'clean',
      units: ledger.seckillStock,
      ...redis,
      liveOrders: ledger.liveOrders,
      sold: ledger.sold,
      unappliedReturns: ledger.unappliedReturns,
      findings: findings.slice(0, FINDINGS_MAX),
    };
  };
  return withLoadedLease(deps, sale, options.waitMs, audit);
}

/** The counts in Redis at one instant. */
async function countRedis({ redis, keys }: AuditDeps, sale: SaleRef): Promise<RedisCounts & OutboxCounts> {
  const { state, owners, batches, batchTimes } = keys.sale(sale);
  const replies = await redis
    .multi()
    .hmget(state, 'available', 'backlog')
    .hlen(owners)
    .hlen(batches)
    .zcard(batchTimes)
    .exec();
  const [[available, backlog], ...counts] = (replies ?? []).map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  }) as [[string | null, string | null], number, number, number];
  const [owned, batchCount, times] = counts;
  return {
    available: Number(available),
    owners: owned,
    reservations: Number(backlog),
    batches: batchCount,
    batchTimes: times,
  };
}

async function readFacts({ redis, keys }: AuditDeps, sale: SaleRef): Promise<Facts> {
  const found = await redis.hmget(keys.sale(sale).state, ...FACTS);
  return Object.fromEntries(FACTS.map((name, i) => [name, Number(found[i])])) as Facts;
}

/** The counts in the ledger and the facts of the row, in one snapshot. */
async function countLedger(db: Db, { id }: SaleRef): Promise<LedgerCounts & { readonly facts: Facts }> {
  const { rows } = await sql<
    Record<keyof LedgerCounts | 'price_cents', number | string> & { readonly start_time: Date; readonly end_time: Date }
  >`
    SELECT seckill_stock AS seckillStock, version, pause_version AS pauseVersion, sold, price_cents, start_time, end_time,
      (SELECT COUNT(*) FROM orders WHERE product_id = ${id} AND live = 1) AS liveOrders,
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
    unappliedReturns: Number(row.unappliedReturns),
    facts: {
      total: Number(row.seckillStock),
      price_cents: Number(row.price_cents),
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
function differ(redis: RedisCounts & OutboxCounts, ledger: LedgerCounts): boolean {
  return (
    findingsOfCounts(redis, ledger).length > 0 ||
    redis.owners - redis.reservations !== ledger.liveOrders + ledger.unappliedReturns
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
function findingsOfCounts(redis: RedisCounts & OutboxCounts, ledger: LedgerCounts): string[] {
  const findings: string[] = [];
  if (redis.available + redis.owners !== ledger.seckillStock) {
    findings.push(`available ${redis.available} + owners ${redis.owners} is not seckill_stock ${ledger.seckillStock}`);
  }
  if (ledger.sold !== ledger.liveOrders) findings.push(`sold ${ledger.sold} is not live orders ${ledger.liveOrders}`);
  if (ledger.liveOrders > ledger.seckillStock) {
    findings.push(`live orders ${ledger.liveOrders} exceed seckill_stock ${ledger.seckillStock}`);
  }
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

/** Compares every owner entry with the ledger and the reservations, and the reverse. */
async function findingsOfEntries({ redis, keys, db }: AuditDeps, sale: SaleRef): Promise<string[]> {
  const { owners: ownersKey, batches: batchesKey, state: stateKey } = keys.sale(sale);
  // Reservations and their owners come and go. Read the reservations before and after the owners:
  // an owner may name an order of either reading.
  const before = await readReservations(redis, batchesKey);
  const owners = await readHash(redis, ownersKey);
  const backlog = Number(await redis.hget(stateKey, 'backlog'));
  const after = await readReservations(redis, batchesKey);
  const ledger = await readEntries(db, sale, [...after.keys()]);
  const findings: string[] = [];

  const hasMoved = before.size !== after.size || [...after.keys()].some((orderNo) => !before.has(orderNo));
  if (!hasMoved && backlog !== after.size)
    findings.push(`backlog ${backlog} is not the ${after.size} orders of the batches`);
  for (const [user, orderNo] of owners) {
    const row = ledger.orders.get(orderNo);
    const due = ledger.returns.has(orderNo);
    if (row === undefined ? !after.has(orderNo) : row.userId !== user || (!row.live && !due)) {
      findings.push(`owner entry ${user} names ${orderNo}, which is no live order, reservation or due return`);
    }
    if (row?.live === true && due) findings.push(`live order ${orderNo} has an unapplied return`);
  }
  for (const [orderNo, { userId, live }] of ledger.orders) {
    if (live && owners.get(userId) !== orderNo) findings.push(`live order ${orderNo} of ${userId} has no owner entry`);
  }
  for (const [orderNo, user] of before) {
    if (!ledger.orders.has(orderNo) && owners.get(user) !== orderNo) {
      findings.push(`reservation ${orderNo} of ${user} has no owner entry`);
    }
  }
  return findings;
}

/**
 * The live orders of the sale, the orders with an unapplied return, and the orders with these
 * numbers, in one snapshot.
 */
async function readEntries(db: Db, { id }: SaleRef, orderNos: readonly string[]) {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (tx) => {
      const select = () =>
        tx
          .selectFrom('orders')
          .select(['order_no as orderNo', 'user_id as userId', 'live'])
          .where('product_id', '=', id);
      const orders = new Map<string, { userId: string; live: boolean }>();
      const add = (rows: readonly { orderNo: string; userId: string; live: number | null }[]): void => {
        for (const { orderNo, userId, live } of rows) orders.set(orderNo, { userId, live: live === 1 });
      };
      add(await select().where('live', '=', 1).execute());
      for (let from = 0; from < orderNos.length; from += SCAN_COUNT) {
        add(
          await select()
            .where('order_no', 'in', orderNos.slice(from, from + SCAN_COUNT))
            .execute(),
        );
      }
      const due = await tx
        .selectFrom('stock_returns')
        .innerJoin('orders', 'orders.order_no', 'stock_returns.order_no')
        .select(['orders.order_no as orderNo', 'orders.user_id as userId', 'orders.live'])
        .where('stock_returns.product_id', '=', id)
        .where('applied_at', 'is', null)
        .execute();
      add(due);
      return { orders, returns: new Set(due.map(({ orderNo }) => orderNo)) };
    });
}

/** The reservations in the batches: order number → user. */
async function readReservations(redis: RedisClient, key: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const record of (await readHash(redis, key, BATCHES_SCANNED)).values()) {
    for (const line of record.split('\n').slice(1)) {
      const [orderNo, user] = line.split(' ', 2) as [string, string];
      found.set(orderNo, user);
    }
  }
  return found;
}

async function readHash(redis: RedisClient, key: string, count = SCAN_COUNT): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  let cursor = '0';
  do {
    const [next, flat] = await redis.hscan(key, cursor, 'COUNT', count);
    for (let i = 0; i < flat.length; i += 2) found.set(flat[i]!, flat[i + 1]!);
    cursor = next;
  } while (cursor !== '0');
  return found;
}
