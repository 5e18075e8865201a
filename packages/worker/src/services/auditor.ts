import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import { SALES_SHOWN_MAX, type Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { auditSale, type Audit, type AuditDeps } from '@flash-sale/shared/sale/audit.ts';
import { LEASE_WAIT_MS } from '@flash-sale/shared/sale/lease.ts';
import { repairSale } from '@flash-sale/shared/sale/repair.ts';
import type { SalesToKeep } from './sale-list.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';
import { forEachSale } from './service.ts';

/** The pause between two rounds. */
const INTERVAL_MS = 10_000;
/** A sale that begins so soon, or is over for no longer, is audited in every round. */
const AROUND_MS = 3_600_000;
/** Others that are audited in a round, in turn. */
const OTHERS_MAX = 2;

export interface AuditorDeps extends AuditDeps {
  readonly shard: number;
  /** Those of the shard. */
  readonly sales: SalesToKeep;
  /** How many sales may have a figure of their own. Tests make it small. */
  readonly salesShownMax?: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Auditor: checks conservation of every sale that Redis keeps, tells operators of a drift, and mends it. Sales that are open, or were just now, and
 * those with orders that wait are audited in every round; of the others, which nobody moves, a few in turn.
 */
export function auditor(deps: AuditorDeps): Rounds {
  const { commands, shard, sales, log, metrics, salesShownMax = SALES_SHOWN_MAX } = deps;
  let others = 0;
  /** Sales with a drift that could not be mended. */
  const unmended = new Set<number>();
  /** Sales whose gap is shown. */
  const shown = new Set<number>();

  /** Every gap is shown, and of the sales without one only as many as a server of metrics takes without harm. */
  function showGap(sale: number, gap: number): void {
    if (gap === 0 && !shown.has(sale) && shown.size >= salesShownMax) return;
    shown.add(sale);
    metrics.conservation_gap.set({ sale }, gap);
  }

  /** Sales that are gone take their figures with them. */
  function forgetOthers(kept: ReadonlySet<number>): void {
    for (const sale of shown) {
      if (kept.has(sale)) continue;
      shown.delete(sale);
      unmended.delete(sale);
      metrics.conservation_gap.remove({ sale });
      metrics.unmended_drift.remove({ sale });
    }
  }

  /** What is shown is what is left after mending: a drift that was mended pages nobody. */
  async function audit(sale: Sale): Promise<void> {
    let found = await auditSale(deps, sale, { wait_ms: LEASE_WAIT_MS, thorough: false });
    if (found?.verdict === 'drift') {
      metrics.drifts.inc();
      log.error({ sale: sale.id, findings: found.findings }, 'sale drifts');
      const mended = await mend(sale, found);
      log.warn({ sale: sale.id, mended: mended?.verdict === 'clean' }, 'sale repaired');
      found = mended ?? found;
    }
    if (found === undefined || found.verdict === 'skipped') return;
    if (found.verdict === 'late') log.error({ sale: sale.id, findings: found.findings }, 'orders are late');
    showGap(sale.id, found.available + found.owners - found.units);
    if (found.verdict === 'drift') {
      unmended.add(sale.id);
      metrics.unmended_drift.set({ sale: sale.id }, 1);
    } else {
      unmended.delete(sale.id);
      metrics.unmended_drift.remove({ sale: sale.id });
    }
  }

  /** The audit after a repair, or undefined where the lease is held elsewhere or the repair failed. */
  async function mend(sale: Sale, found: Audit): Promise<Audit | undefined> {
    try {
      if (!(await repairSale(deps, sale.shard, found, LEASE_WAIT_MS))) return undefined;
      return await auditSale(deps, sale, { wait_ms: LEASE_WAIT_MS, thorough: true });
    } catch (error) {
      log.error({ err: error, sale: sale.id }, 'could not repair the sale');
      return undefined;
    }
  }

  /** The sales of this round. */
  function choose(current: readonly Sale[], waiting: ReadonlySet<number>, nowMs: number): Sale[] {
    const isNear = ({ id, start_ms, end_ms }: Sale): boolean =>
      waiting.has(id) || unmended.has(id) || (nowMs > start_ms - AROUND_MS && nowMs < end_ms + AROUND_MS);
    const chosen = current.filter(isNear);
    const far = current.filter((sale) => !isNear(sale));
    for (let i = 0; i < Math.min(OTHERS_MAX, far.length); i += 1) {
      others = (others + 1) % far.length;
      chosen.push(far[others]!);
    }
    return chosen;
  }

  return {
    name: 'auditor',
    interval_ms: INTERVAL_MS,
    async round(stopping) {
      const current = await sales.current();
      forgetOthers(new Set(current.map(({ id }) => id)));
      const waiting = new Set((await commands.outbox(shard)).map(({ sale_id }) => sale_id));
      const { now_ms } = await commands.clock(shard);
      await forEachSale(choose(current, waiting, now_ms), { stopping, log, service: 'auditor' }, audit);
    },
    rest: () => forgetOthers(new Set()),
  };
}
