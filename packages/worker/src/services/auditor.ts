import type { Sale } from '@flash-sale/shared/domain/sale.ts';
import type { Logger } from '@flash-sale/shared/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/telemetry/metrics.ts';
import { auditSale, type AuditDeps } from '@flash-sale/shared/sale/audit.ts';
import { repairSale } from '@flash-sale/shared/sale/repair.ts';
import type { SalesToKeep } from './sale-list.ts';
import { forEachSale, type Rounds } from './service.ts';

const LEASE_WAIT_MS = 2_000;

export interface AuditorDeps extends AuditDeps {
  readonly sales: SalesToKeep;
  readonly interval_ms: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Auditor: checks conservation of every sale that Redis keeps, tells operators of a drift, and mends it. */
export function auditor(deps: AuditorDeps): Rounds {
  const { sales, log, metrics } = deps;

  async function audit(sale: Sale): Promise<void> {
    const found = await auditSale(deps, sale, { wait_ms: LEASE_WAIT_MS, thorough: false });
    if (found === undefined || found.verdict === 'skipped') return;
    metrics.conservation_gap.set({ sale: sale.id }, found.available + found.owners - found.units);
    if (found.verdict === 'clean') return;
    metrics.drifts.inc();
    log.error({ sale: sale.id, findings: found.findings }, 'sale drifts');
    const mended = await repairSale(deps, sale.shard, found, LEASE_WAIT_MS);
    log.warn({ sale: sale.id, mended }, 'sale repaired');
  }

  let told: readonly Sale[] = [];
  return {
    name: 'auditor',
    interval_ms: deps.interval_ms,
    async round(stopping) {
      // Sales that are gone take their figures with them.
      for (const { id } of told) metrics.conservation_gap.remove({ sale: id });
      told = await sales.current();
      await forEachSale(told, { stopping, log, service: 'auditor' }, audit);
    },
  };
}
