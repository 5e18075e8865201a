import type { Logger } from '@flash-sale/shared/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/telemetry/metrics.ts';
import { auditSale, type AuditDeps } from '../audit/audit.ts';
import { repairSale } from '../audit/repair.ts';
import type { SaleList } from './sale-list.ts';
import type { Rounds } from './service.ts';

const LEASE_WAIT_MS = 2_000;

export interface AuditorDeps extends AuditDeps {
  readonly sales: SaleList;
  readonly interval_ms: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Auditor: checks conservation of every sale that Redis keeps, tells operators of a drift, and mends it. */
export function auditor(deps: AuditorDeps): Rounds {
  const { sales, log, metrics } = deps;
  return {
    name: 'auditor',
    interval_ms: deps.interval_ms,
    async round(stopping) {
      // Sales that are gone take their figures with them.
      metrics.conservation_gap.reset();
      for (const sale of await sales.current()) {
        if (stopping.aborted) return;
        const audit = await auditSale(deps, sale, { wait_ms: LEASE_WAIT_MS, thorough: false });
        if (audit === undefined || audit.verdict === 'skipped') continue;
        metrics.conservation_gap.set({ sale: sale.id }, audit.available + audit.owners - audit.units);
        if (audit.verdict === 'clean') continue;
        metrics.drifts.inc();
        log.error({ sale: sale.id, findings: audit.findings }, 'sale drifts');
        const mended = await repairSale(deps, sale.shard, audit, LEASE_WAIT_MS);
        log.warn({ sale: sale.id, mended }, 'sale repaired');
      }
    },
  };
}
