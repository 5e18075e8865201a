import type { Sale } from '@flash-sale/shared/domain/sale.ts';
import type { Logger } from '@flash-sale/shared/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/telemetry/metrics.ts';
import { auditSale, type AuditDeps } from '@flash-sale/shared/sale/audit.ts';
import { LEASE_WAIT_MS } from '@flash-sale/shared/sale/lease.ts';
import { repairSale } from '@flash-sale/shared/sale/repair.ts';
import type { SalesToKeep } from './sale-list.ts';
import type { Rounds } from '@flash-sale/shared/process/service.ts';
import { forEachSale } from './service.ts';

export interface AuditorDeps extends AuditDeps {
  readonly sales: SalesToKeep;
  readonly interval_ms: number;
  /** How many sales may have a figure of their own. */
  readonly sales_shown_max: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Auditor: checks conservation of every sale that Redis keeps, tells operators of a drift, and mends it. */
export function auditor(deps: AuditorDeps): Rounds {
  const { sales, log, metrics } = deps;
  /** Sales whose gap is shown. */
  const shown = new Set<number>();

  /** Every gap is shown, and of the sales without one only as many as a server of metrics takes without harm. */
  function showGap(sale: number, gap: number): void {
    if (gap === 0 && !shown.has(sale) && shown.size >= deps.sales_shown_max) return;
    shown.add(sale);
    metrics.conservation_gap.set({ sale }, gap);
  }

  /** Sales that are gone take their figures with them. */
  function forgetOthers(kept: ReadonlySet<number>): void {
    for (const sale of shown) {
      if (kept.has(sale)) continue;
      shown.delete(sale);
      metrics.conservation_gap.remove({ sale });
    }
  }

  async function audit(sale: Sale): Promise<void> {
    const found = await auditSale(deps, sale, { wait_ms: LEASE_WAIT_MS, thorough: false });
    if (found === undefined || found.verdict === 'skipped') return;
    showGap(sale.id, found.available + found.owners - found.units);
    if (found.verdict === 'clean') return;
    metrics.drifts.inc();
    log.error({ sale: sale.id, findings: found.findings }, 'sale drifts');
    const mended = await repairSale(deps, sale.shard, found, LEASE_WAIT_MS);
    log.warn({ sale: sale.id, mended }, 'sale repaired');
  }

  return {
    name: 'auditor',
    interval_ms: deps.interval_ms,
    async round(stopping) {
      const current = await sales.current();
      forgetOthers(new Set(current.map(({ id }) => id)));
      await forEachSale(current, { stopping, log, service: 'auditor' }, audit);
    },
    rest: () => forgetOthers(new Set()),
  };
}
