import { pino } from 'pino';
import { auditAndRepair, type RepairDeps, type AuditAndRepair } from './audit-and-repair.ts';
import { openOrderQueues } from '../admission/order-queues.ts';
import { createCommands } from '../commands.ts';
import type { Config } from '../platform/config/config.ts';
import { connectDb } from '../platform/mysql/client.ts';
import { listShards, salesToKeep } from '../sale/products-table.ts';
import type { Sale } from '../sale/sale.ts';
import { terminalWidth, textTable } from '../platform/process/text-table.ts';
import { connectRedis, type ConnectionUse, type RedisClient } from '../platform/redis/client.ts';
import { RedisAway, redisFault } from '../platform/redis/errors.ts';
import { Keys } from '../platform/redis/keys.ts';
import { auditOutbox } from './audit-outbox.ts';
import { claimShard, ledgerName } from './claim-shard.ts';
import { auditJson, auditSale, type Audit } from './audit.ts';
import { LEASE_WAIT_MS, LeaseLost } from '../sale/lease.ts';

const SUMS = ['units', 'available', 'held', 'reservations', 'live_orders', 'sold', 'unapplied_returns'] as const;

export interface AuditOptions {
  /** Repairs what drifts, too. */
  readonly repair: boolean;
}

export interface AuditOfAll {
  /** No sale and no outbox drifts, and each could be audited. */
  readonly clean: boolean;
  readonly sales: readonly ResultJson[];
  readonly outboxes: readonly OutboxJson[];
}

/** Audits every sale in Redis, entry by entry, and the outboxes, on connections of its own. */
export async function auditAll(config: Config, options: AuditOptions): Promise<AuditOfAll> {
  let redisError: Error | undefined;
  const connect = (use: ConnectionUse): RedisClient =>
    connectRedis(config, use).on('error', (error: Error) => (redisError = error));
  const redis = connect('background');
  // Its calls are not queued, so it must be connected before the first sale is repaired.
  const producer = connect('producer');
  const db = connectDb(config, 'lease');
  const keys = new Keys(config.REDIS_PREFIX);
  const queues = openOrderQueues({ connection: producer, keys, log: pino({ level: 'silent' }) });
  const deps = { redis, db, keys, commands: createCommands(redis, keys), queue: queues.of };
  try {
    const kept = await salesToKeep(db);
    await redis.ping().catch((error: unknown) => {
      // The call only says that it was given up; the connection knows why.
      throw redisFault(error) === undefined && redisError !== undefined ? new RedisAway(redisError.message) : error;
    });
    const shards = await listShards(db);
    const ledger = await ledgerName(db);
    for (const shard of shards) await claimShard(deps, shard, ledger);
    const sales: ResultJson[] = [];
    for (const sale of kept) sales.push(await resultOf(deps, sale, options));
    const outboxes = await outboxResults(deps, shards, kept, options);
    return { clean: [...sales, ...outboxes].every(({ verdict }) => verdict === 'clean'), sales, outboxes };
  } finally {
    await queues.close();
    producer.disconnect();
    redis.disconnect();
    await db.destroy();
  }
}

/**
 * An audit and whether something was repaired. The audit is missing if another process held the
 * lease.
 */
type ResultJson = Partial<Omit<ReturnType<typeof auditJson>, 'verdict'>> & {
  readonly sale_id: number;
  readonly verdict: Audit['verdict'] | 'lease held elsewhere';
  readonly repaired: boolean;
};

async function resultOf(deps: RepairDeps, sale: Sale, options: AuditOptions): Promise<ResultJson> {
  const { audit, outcome } = (await lookedAt(deps, sale, options)) ?? {};
  return {
    sale_id: sale.id,
    verdict: 'lease held elsewhere',
    ...(audit === undefined ? {} : auditJson(audit)),
    repaired: outcome === 'repaired',
  };
}

/** The comparison of a shard's outbox with its sales. */
interface OutboxJson {
  readonly shard: number;
  /** `busy`: sales entered it too fast to compare it. */
  readonly verdict: 'clean' | 'drift' | 'busy';
  readonly findings: readonly string[];
  readonly repaired: boolean;
}

function outboxResults(
  { commands }: RepairDeps,
  shards: readonly number[],
  sales: readonly Sale[],
  { repair }: AuditOptions,
): Promise<OutboxJson[]> {
  return Promise.all(
    shards.map(async (shard) => {
      const ofShard = sales.filter((sale) => sale.shard === shard);
      const findings = await auditOutbox(commands, shard, ofShard, { repairs: repair });
      const verdict = findings === undefined ? 'busy' : findings.length > 0 ? 'drift' : 'clean';
      return { shard, verdict, findings: findings ?? [], repaired: repair && verdict === 'drift' };
    }),
  );
}

async function lookedAt(
  deps: RepairDeps,
  sale: Sale,
  { repair }: AuditOptions,
): Promise<Partial<AuditAndRepair> | undefined> {
  try {
    if (repair) return await auditAndRepair(deps, sale);
    return { audit: await auditSale(deps, sale, { waitMs: LEASE_WAIT_MS, thorough: true }) };
  } catch (error) {
    if (error instanceof LeaseLost) return undefined;
    throw error;
  }
}

/** What was found, in lines, and the sums as a table. */
export function auditText({ sales: results, outboxes }: AuditOfAll, { repair }: AuditOptions): string {
  const failures = results.filter(({ verdict }) => verdict !== 'clean').length;
  const outboxLines = outboxes.flatMap(({ shard, verdict, findings, repaired }) => [
    ...findings.map((finding) => `shard ${shard}: ${finding}`),
    ...(verdict === 'busy'
      ? [`shard ${shard}: sales enter its outbox too fast to compare it. Run the audit again`]
      : []),
    ...(repaired ? [`shard ${shard}: its outbox is repaired`] : []),
  ]);
  const findings = results.flatMap(({ sale_id: saleId, verdict, repaired, findings: found = [] }) => [
    ...found.map((finding) => `sale ${saleId}: ${finding}`),
    ...(repaired ? [`sale ${saleId}: ${verdict === 'late' ? 'its orders are in the queue again' : 'repaired'}`] : []),
    ...(repair && verdict === 'drift' && !repaired
      ? [`sale ${saleId}: not repaired: another process holds its lease`]
      : []),
  ]);
  const rows = results.map((result) => [
    String(result.sale_id),
    result.verdict,
    ...SUMS.map((name) => String(result[name] ?? '-')),
  ]);
  const isRight = (column: number): boolean => column !== 1;
  return [
    ...findings,
    ...outboxLines,
    textTable([['sale', 'verdict', ...SUMS], ...rows], { isRight, widthMax: terminalWidth() }),
    ...(failures === 0 ? [] : [`${failures} of ${results.length} sales are not clean`]),
    ...(failures === 0 && outboxes.every(({ verdict }) => verdict === 'clean') ? ['clean'] : []),
  ].join('\n');
}
