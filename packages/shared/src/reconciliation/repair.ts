import { sql } from 'kysely';
import type { Db } from '../platform/mysql/client.ts';
import { LEDGER_NOW } from '../platform/mysql/clock.ts';
import { lockSale } from '../sale/stamps-table.ts';
import { rebuildSale } from './rebuild.ts';
import { LeaseLost, withLoadedLease, type Lease } from '../sale/lease.ts';
import type { LiveSale } from '../sale/sale.ts';
import type { Audit, AuditDeps } from './audit.ts';

const FINDINGS_LENGTH_MAX = 10_000;

/**
 * Repairs a sale that an audit found to drift, and records the findings. The ledger's orders are
 * right: this counts `sold` again and cancels the return of a live order. A pause that only Redis
 * has is written into the row. Then Redis is rebuilt from the ledger.
 *
 * @returns whether the sale was repaired; false if another process holds the lease for longer than
 * `waitMs`
 */
export async function repairSale(deps: AuditDeps, shard: number, audit: Audit, waitMs: number): Promise<boolean> {
  const sale = { id: audit.saleId, shard };
  await deps.db
    .insertInto('repairs')
    .values({
      product_id: sale.id,
      findings: audit.findings.join('\n').slice(0, FINDINGS_LENGTH_MAX),
      created_at: LEDGER_NOW,
    })
    .execute();
  const repaired = await withLoadedLease(deps, sale, waitMs, async (lease) => {
    await repairLedger(deps.db, lease, await deps.commands.readSale(sale));
    // Only if the audit found the index to be wrong: it blocks Redis for a time that grows with the
    // batches.
    const isIndexWrong = audit.findings.some((finding) => finding.includes('batch'));
    return isIndexWrong ? deps.commands.indexBatches(sale, lease.text) : true;
  });
  return repaired === true && (await rebuildSale(deps, sale, waitMs)) !== undefined;
}

async function repairLedger(
  db: Db,
  { sale, fencingToken }: Lease,
  { pauseVersion, paused }: Pick<LiveSale, 'pauseVersion' | 'paused'>,
): Promise<void> {
  const { id } = sale;
  await db.transaction().execute(async (tx) => {
    if ((await lockSale(tx, id, fencingToken)) === undefined) throw new LeaseLost(sale);
    await sql`
      UPDATE products SET sold = (SELECT COALESCE(SUM(quantity), 0) FROM orders WHERE product_id = ${id} AND live = 1)
      WHERE id = ${id}`.execute(tx);
    await sql`
      UPDATE products SET paused = ${paused ? 1 : 0}, pause_version = ${pauseVersion}
      WHERE id = ${id} AND pause_version < ${pauseVersion}`.execute(tx);
    await sql`
      UPDATE stock_returns JOIN orders ON orders.order_no = stock_returns.order_no
      SET stock_returns.applied_at = ${LEDGER_NOW}
      WHERE stock_returns.product_id = ${id} AND stock_returns.applied_at IS NULL AND orders.live = 1`.execute(tx);
  });
}
