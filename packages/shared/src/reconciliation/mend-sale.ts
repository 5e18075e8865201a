import type { Queue } from 'bullmq';
import { RESERVATION_LATE_MS } from '../admission/reservation.ts';
import { auditSale, type Audit, type AuditDeps } from './audit.ts';
import { LEASE_WAIT_MS } from '../sale/lease.ts';
import { repairSale } from './repair.ts';
import type { SaleRef } from '../sale/sale.ts';
import type { WriteOrdersJob } from '../admission/order-jobs.ts';
import { relaySale } from '../admission/relay-sale.ts';

export interface MendDeps extends AuditDeps {
  /** The queue of a shard. */
  readonly queue: (shard: number) => Queue<WriteOrdersJob>;
}

/** What an audit found and what became of it. */
export interface Mended {
  readonly audit: Audit;
  /** `lease held elsewhere`: the sale differs from the ledger, and nothing was done about it. */
  readonly outcome: 'repaired' | 'nothing to repair' | 'lease held elsewhere';
}

/**
 * Audits a sale entry by entry. One that differs from the ledger is repaired; for late orders the jobs are added to the queue again,
 * since the workers may be unable to do that.
 *
 * @returns undefined if the lease is held elsewhere, so that there was no audit
 * @throws LeaseLost and the errors of the servers
 */
export async function mendSale(deps: MendDeps, sale: SaleRef): Promise<Mended | undefined> {
  const audit = await auditSale(deps, sale, { waitMs: LEASE_WAIT_MS, thorough: true });
  if (audit === undefined) return undefined;
  if (audit.verdict === 'drift') {
    const isRepaired = await repairSale(deps, sale.shard, audit, LEASE_WAIT_MS);
    return { audit, outcome: isRepaired ? 'repaired' : 'lease held elsewhere' };
  }
  if (audit.verdict !== 'late') return { audit, outcome: 'nothing to repair' };
  const { nowMs } = await deps.commands.clock(sale.shard);
  const jobs = await relaySale(deps, sale, nowMs, RESERVATION_LATE_MS);
  return { audit, outcome: jobs.length > 0 ? 'repaired' : 'nothing to repair' };
}
