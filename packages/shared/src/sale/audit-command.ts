import { loadConfig } from '../platform/config/config.ts';
import { connectDb } from '../platform/mysql/client.ts';
import { salesToKeep } from './products-table.ts';
import { flag, readCommandLine } from '../platform/process/command-line.ts';
import { startOrExit } from '../platform/process/lifecycle.ts';
import { terminalWidth, textTable } from '../platform/process/text-table.ts';
import { connectRedis } from '../platform/redis/client.ts';
import { createCommands } from '../commands.ts';
import { Keys } from '../platform/redis/keys.ts';
import { auditSale, type Audit } from './audit.ts';
import { LEASE_WAIT_MS } from './lease.ts';
import { repairSale } from './repair.ts';

const {
  values: { repair, json },
} = readCommandLine({
  usage: 'npm run audit -- [options]',
  summary: `Compares every sale that Redis keeps with the ledger, entry by entry.
Exit code 1: a sale was not clean, or could not be audited.`,
  options: {
    repair: flag('rebuild sales that drift from the ledger'),
    json: flag('the result as one JSON document'),
  },
});

const SUMS = ['units', 'available', 'owners', 'reservations', 'live_orders', 'sold', 'unapplied_returns'] as const;

/**
 * Audits every sale in Redis, entry by entry, and prints a table. Exit code 1: a sale drifts, or
 * its audit failed.
 */
await startOrExit(async () => {
  const config = loadConfig(process.env);
  const redis = connectRedis(config, 'background');
  redis.on('error', () => undefined);
  const db = connectDb(config, 'ledger');
  const keys = new Keys(config.REDIS_PREFIX);
  const deps = { redis, db, keys, commands: createCommands(redis, keys) };
  try {
    const results: Result[] = [];
    for (const sale of await salesToKeep(db)) {
      const audit = await auditSale(deps, sale, { wait_ms: LEASE_WAIT_MS, thorough: true });
      const repaired =
        repair && audit?.verdict === 'drift' && (await repairSale(deps, sale.shard, audit, LEASE_WAIT_MS));
      results.push({ sale_id: sale.id, verdict: 'lease held elsewhere', ...audit, repaired });
    }
    const failures = results.filter(({ verdict }) => verdict !== 'clean').length;
    console.log(json ? JSON.stringify({ clean: failures === 0, sales: results }, null, 2) : report(results, failures));
    process.exitCode = failures === 0 ? 0 : 1;
  } finally {
    redis.disconnect();
    await db.destroy();
  }
});

/**
 * An audit and whether the sale was repaired. The audit is missing if another process held the
 * lease.
 */
type Result = Partial<Omit<Audit, 'verdict'>> & {
  readonly sale_id: number;
  readonly verdict: Audit['verdict'] | 'lease held elsewhere';
  readonly repaired: boolean;
};

function report(results: readonly Result[], failures: number): string {
  const findings = results.flatMap(({ sale_id, verdict, repaired, findings: found = [] }) => [
    ...found.map((finding) => `sale ${sale_id}: ${finding}`),
    ...(repair && verdict === 'drift'
      ? [`sale ${sale_id}: ${repaired ? 'repaired' : 'not repaired: another process holds its lease'}`]
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
    textTable([['sale', 'verdict', ...SUMS], ...rows], { isRight, width_max: terminalWidth() }),
    failures === 0 ? 'clean' : `${failures} of ${results.length} sales are not clean`,
  ].join('\n');
}
