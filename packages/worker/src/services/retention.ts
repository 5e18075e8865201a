import { setTimeout as delay } from 'node:timers/promises';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { discardOldOrderEvents } from '@flash-sale/shared/order-events/dead-order-events.ts';
import {
  archivingSales,
  beginArchiving,
  deleteArchivedOrders,
  deleteArchivedSale,
  markArchived,
  salesToArchive,
  type ArchivingSale,
} from '../retention/retention-table.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import { writeArchive, type ArchiveTarget } from '../retention/archive.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';

const INTERVAL_MS = 60_000;
/** Maximum number of orders deleted in one transaction. */
const BATCH = 1_000;
/** Maximum number of sales whose archiving begins in one round. */
const SALES_MAX = 100;

export interface RetentionDeps {
  readonly db: Db;
  readonly target: ArchiveTarget;
  /** How long a sale is kept after its end. */
  readonly retentionMs: number;
  readonly log: Logger;
}

/**
 * Retention: archives sales that ended long ago, then deletes them. MySQL records each step before
 * the next one begins (no order moves any more, the archive is on disk, the rows are deleted, the
 * sale's row last), so after a crash another process continues. If two run at once, both write the
 * same archive, of which the first complete one stays, and delete the same rows.
 */
export function retention({ db, target, retentionMs, log }: RetentionDeps): Rounds<'retention'> {
  async function archive(sale: ArchivingSale, stopping: AbortSignal): Promise<void> {
    if (!sale.archived) {
      const path = await writeArchive(db, sale, target, stopping);
      await markArchived(db, sale.id);
      log.info({ sale: sale.id, path }, 'sale archived');
    }
    let deleted = 0;
    while (!stopping.aborted) {
      const beganMs = performance.now();
      const count = await deleteArchivedOrders(db, sale.id, BATCH);
      deleted += count;
      if (count === 0) {
        await deleteArchivedSale(db, sale.id);
        log.info({ sale: sale.id, orders: deleted }, 'archived sale deleted');
        return;
      }
      // Leave at least half of MySQL's time to open sales.
      await delay(performance.now() - beganMs);
    }
  }

  return {
    name: 'retention',
    intervalMs: INTERVAL_MS,
    async round(stopping) {
      const forgotten = await discardOldOrderEvents(db, retentionMs);
      if (forgotten > 0) log.warn({ rows: forgotten }, 'discarded order events that were dead for too long');
      for (const id of await salesToArchive(db, retentionMs, SALES_MAX)) {
        if (stopping.aborted) return;
        await beginArchiving(db, id);
      }
      let failed: Error | undefined;
      for (const sale of await archivingSales(db)) {
        if (stopping.aborted) break;
        await archive(sale, stopping).catch((error: Error) => {
          failed ??= error;
          log.error({ err: error, sale: sale.id }, 'could not archive the sale; retrying in the next round');
        });
      }
      // It may be this process alone that cannot write there: a round that fails gives up the lead.
      if (failed !== undefined) throw failed;
    },
  };
}
