import type { Queue } from 'bullmq';
import { RESERVATION_LATE_MS } from '../admission/reservation.ts';
import { auditSale, type Audit, type AuditDeps } from './audit.ts';
import { LEASE_WAIT_MS } from '../sale/lease.ts';
import { repairSale } from './repair.ts';
import type { SaleRef } from '../sale/sale.ts';
import type { WriteOrdersJob } from '../admission/order-jobs.ts';
import { relaySale } from '../admission/relay-sale.ts';

export interface RepairDeps extends AuditDeps {
  /** The queue of a shard. */
  readonly queue: (shard: number) => Queue<WriteOrdersJob>;
}

/** The findings of an audit, and what was done about them. */
export interface AuditAndRepair {
  readonly audit: Audit;
  /** `lease held elsewhere`: the sale differs from the ledger, and was not repaired. */
  readonly outcome: 'repaired' | 'nothing to repair' | 'lease held elsewhere';
}

/**
 * Audits a sale entry by entry, and repairs it if it differs from the ledger. Adds the jobs of late
 * orders to the queue again, because the workers may be unable to do that.
 *
 * @returns undefined if the lease is held elsewhere, so that there was no audit
 * @throws LeaseLost and the errors of the servers
 */
export async function auditAndRepair(deps: RepairDeps, sale: SaleRef): Promise<AuditAndRepair | undefined> {
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
