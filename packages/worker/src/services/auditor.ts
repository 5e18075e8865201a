import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { SALES_SHOWN_MAX } from '@flash-sale/shared/platform/telemetry/sale-metrics.ts';
import { auditSale, type Audit, type AuditDeps } from '@flash-sale/shared/reconciliation/audit.ts';
import { auditOutbox } from '@flash-sale/shared/reconciliation/audit-outbox.ts';
import { LEASE_WAIT_MS } from '@flash-sale/shared/sale/lease.ts';
import { repairSale } from '@flash-sale/shared/reconciliation/repair.ts';
import type { SalesToKeep } from '@flash-sale/shared/sale/sale-list.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';
import { isOutage } from './outage.ts';
import { forEachSale } from './service.ts';

/** The pause between two rounds. */
const INTERVAL_MS = 10_000;
/**
 * A sale that begins within this time, or ended less than this time ago, is audited in every round.
 */
const AROUND_MS = 3_600_000;
/** The number of other sales that are audited in a round, in turn. */
const OTHERS_MAX = 2;

export interface AuditorDeps extends AuditDeps {
  readonly shard: number;
  /** The sales of the shard. */
  readonly sales: SalesToKeep;
  /** Maximum number of sales with a metric of their own. Tests set it lower. */
  readonly salesShownMax?: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Auditor: checks the conservation of every sale in Redis, reports a drift to operators, and
 * repairs it. Sales that are open or ended recently, and those with reservations, are audited in
 * every round. Of the others, which do not change, a few are audited in turn. Then the outbox of
 * the shard and its number of waiting orders are compared with the sales.
 */
export function auditor(deps: AuditorDeps): Rounds {
  const { commands, shard, sales, log, metrics, salesShownMax = SALES_SHOWN_MAX } = deps;
  let others = 0;
  /** Sales with a drift that could not be repaired. */
  const notRepaired = new Set<number>();
  /** Sales whose gap is shown. */
  const shown = new Set<number>();

  /**
   * Shows every gap. Of the sales without a gap it shows only a limited number, to limit the load
   * on the metrics server.
   */
  function showGap(sale: number, gap: number): void {
    if (gap === 0 && !shown.has(sale) && shown.size >= salesShownMax) return;
    shown.add(sale);
    metrics.conservationGap.set({ sale }, gap);
  }

  /** Removes the metrics of sales that are gone. */
  function forgetOthers(kept: ReadonlySet<number>): void {
    for (const sale of [...shown, ...notRepaired]) {
      if (kept.has(sale)) continue;
      shown.delete(sale);
      notRepaired.delete(sale);
      metrics.conservationGap.remove({ sale });
      metrics.unrepairedDrift.remove({ sale });
    }
  }

  /** Shows the gap that is left after the repair: a repaired drift causes no alert. */
  async function audit(sale: Sale): Promise<void> {
    let found = await auditSale(deps, sale, { waitMs: LEASE_WAIT_MS, thorough: false });
    if (found?.verdict === 'drift') {
      metrics.drifts.inc();
      log.error({ sale: sale.id, findings: found.findings }, 'sale drifts');
      const repaired = await repair(sale, found);
      log.warn({ sale: sale.id, is_repaired: repaired?.verdict === 'clean' }, 'sale repaired');
      found = repaired ?? found;
    }
    if (found === undefined || found.verdict === 'skipped') return;
    if (found.verdict === 'late') log.error({ sale: sale.id, findings: found.findings }, 'orders are late');
    showGap(sale.id, found.available + found.held - found.units);
    if (found.verdict === 'drift') {
      notRepaired.add(sale.id);
      metrics.unrepairedDrift.set({ sale: sale.id }, 1);
    } else {
      notRepaired.delete(sale.id);
      metrics.unrepairedDrift.remove({ sale: sale.id });
    }
  }

  /**
   * The audit after a repair; undefined if another process holds the lease or the repair failed.
   */
  async function repair(sale: Sale, found: Audit): Promise<Audit | undefined> {
    try {
      if (!(await repairSale(deps, sale.shard, found, LEASE_WAIT_MS))) return undefined;
      return await auditSale(deps, sale, { waitMs: LEASE_WAIT_MS, thorough: true });
    } catch (error) {
      if (isOutage(error)) throw error;
      log.error({ err: error, sale: sale.id }, 'could not repair the sale');
      return undefined;
    }
  }

  /** A sale whose keys were lost has left its batches in these figures of the shard. */
  async function repairOutbox(audited: readonly Sale[]): Promise<void> {
    const findings = (await auditOutbox(commands, shard, audited, { repairs: true })) ?? [];
    if (findings.length === 0) return;
    metrics.drifts.inc();
    log.error({ shard, findings }, 'the outbox of the shard drifted, and is repaired');
  }

  /** The sales to audit in this round. */
  function choose(current: readonly Sale[], waiting: ReadonlySet<number>, nowMs: number): Sale[] {
    const isNear = ({ id, startMs, endMs }: Sale): boolean =>
      waiting.has(id) || notRepaired.has(id) || (nowMs > startMs - AROUND_MS && nowMs < endMs + AROUND_MS);
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
    intervalMs: INTERVAL_MS,
    async round(stopping) {
      const current = await sales.current();
      forgetOthers(new Set(current.map(({ id }) => id)));
      const waiting = new Set((await commands.outbox(shard)).map(({ saleId }) => saleId));
      const { nowMs } = await commands.clock(shard);
      const chosen = choose(current, waiting, nowMs);
      await forEachSale(chosen, { stopping, log, service: 'auditor' }, audit);
      await repairOutbox(chosen);
    },
    rest: () => forgetOthers(new Set()),
  };
}
