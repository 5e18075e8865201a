import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { lockSale } from '@flash-sale/shared/sale/stamps-table.ts';
import {
  markReturnsApplied,
  salesWithReturns,
  unappliedReturns,
} from '@flash-sale/shared/order/stock-returns-table.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import { LEASE_WAIT_MS, LeaseLost, withLoadedLease, type Lease } from '@flash-sale/shared/sale/lease.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';
import { forEachSale } from './service.ts';

const INTERVAL_MS = 200;
const BATCH = 500;
/** After this time the writer gets the lease, even if there are more units to give back. */
const LEASE_HOLD_MS = 1_000;

export interface ReturnsDeps {
  readonly shard: number;
  readonly commands: Commands;
  readonly db: Db;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Stock returns: gives back the units of a shard's closed and failed orders, before their rows are
 * marked. After a crash in between, the script runs again and finds that the owner entry no longer
 * names the order.
 */
export function returns(deps: ReturnsDeps): Rounds {
  const { shard, commands, db, log, metrics } = deps;

  /**
   * For a sale that was cleaned up: Redis has no such sale any more, and a lease would create its
   * counter in Redis again.
   */
  async function markAll(sale: SaleRef, stopping: AbortSignal): Promise<void> {
    while (!stopping.aborted) {
      const due = await unappliedReturns(db, sale.id, BATCH);
      if (due.length === 0) return;
      const orderNos = due.map(({ orderNo }) => orderNo);
      await markReturnsApplied(db, orderNos);
      log.info({ sale: sale.id, orders: orderNos }, 'marked the returns of a cleaned sale');
    }
  }

  /**
   * Marks rows only while the fencing token is the highest: a unit that another holder's Redis has
   * not given back must not be marked.
   */
  async function markUnder({ fencingToken }: Lease, sale: SaleRef, orderNos: readonly string[]): Promise<void> {
    await db
      .transaction()
      .setIsolationLevel('read committed')
      .execute(async (tx) => {
        if ((await lockSale(tx, sale.id, fencingToken)) === undefined) throw new LeaseLost(sale);
        await markReturnsApplied(tx, orderNos);
      });
  }

  async function giveBackAll(sale: SaleRef, stopping: AbortSignal): Promise<void> {
    await withLoadedLease(deps, sale, LEASE_WAIT_MS, async (lease) => {
      const untilMs = performance.now() + LEASE_HOLD_MS;
      while (!stopping.aborted && performance.now() < untilMs) {
        const due = await unappliedReturns(db, sale.id, BATCH);
        if (due.length === 0) return;
        const givenBack = await commands.giveBack(sale, lease.text, due);
        if (givenBack === undefined) throw new LeaseLost(sale);
        metrics.unitsGivenBack.inc(givenBack);
        const orderNos = due.map(({ orderNo }) => orderNo);
        await markUnder(lease, sale, orderNos);
        log.info({ sale: sale.id, orders: orderNos, given_back: givenBack }, 'units given back');
      }
    });
  }

  return {
    name: 'returns',
    intervalMs: INTERVAL_MS,
    async round(stopping) {
      const sales = await salesWithReturns(db, shard);
      await forEachSale(sales, { stopping, log, service: 'returns' }, (sale) =>
        sale.cleaned ? markAll(sale, stopping) : giveBackAll(sale, stopping),
      );
    },
  };
}
