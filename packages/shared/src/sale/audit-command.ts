import { loadConfig } from '../config/config.ts';
import { connectDb } from '../db/client.ts';
import { salesToKeep } from '../db/products.ts';
import { startOrExit } from '../process/lifecycle.ts';
import { connectRedis } from '../redis/client.ts';
import { createCommands } from '../redis/commands.ts';
import { Keys } from '../redis/keys.ts';
import { auditSale, type Audit } from './audit.ts';
import { LEASE_WAIT_MS } from './lease.ts';
import { repairSale } from './repair.ts';

const REPAIR = '--repair';

/** Audits every sale that Redis keeps, entry by entry, and prints a table. Exit code 1: a sale drifts, or could not be audited. */
await startOrExit(async () => {
  const config = loadConfig(process.env);
  const redis = connectRedis(config, 'background');
  redis.on('error', () => undefined);
  const db = connectDb(config, 'ledger');
  const keys = new Keys(config.REDIS_PREFIX);
  const deps = { redis, db, keys, commands: createCommands(redis, keys) };
  try {
    const rows: Record<string, unknown>[] = [];
    let failures = 0;
    for (const sale of await salesToKeep(db)) {
      const audit = await auditSale(deps, sale, { wait_ms: LEASE_WAIT_MS, thorough: true });
      rows.push(rowOf(sale.id, audit));
      if (audit?.verdict === 'clean') continue;
      failures += 1;
      if (audit?.verdict === 'drift' && process.argv.includes(REPAIR)) {
        const mended = await repairSale(deps, sale.shard, audit, LEASE_WAIT_MS);
        console.log(`sale ${sale.id}: ${mended ? 'repaired' : 'not repaired, its lease is held elsewhere'}`);
      }
      for (const finding of audit?.findings ?? []) console.log(`sale ${sale.id}: ${finding}`);
    }
    console.table(rows);
    console.log(failures === 0 ? 'clean' : `${failures} of ${rows.length} sales are not clean`);
    process.exitCode = failures === 0 ? 0 : 1;
  } finally {
    redis.disconnect();
    await db.destroy();
  }
});

function rowOf(sale: number, audit: Audit | undefined): Record<string, unknown> {
  if (audit === undefined) return { sale, verdict: 'lease held elsewhere' };
  const { verdict, units, available, owners, reservations, live_orders, sold, unapplied_returns } = audit;
  return { sale, verdict, units, available, owners, reservations, live_orders, sold, unapplied_returns };
}
