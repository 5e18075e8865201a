import type { Sale } from './sale.ts';
import type { Db } from '../platform/mysql/client.ts';
import { ledgerTime } from '../platform/mysql/clock.ts';
import { keptSalesVersion, salesToKeep } from './products-table.ts';
import type { Logger } from '../platform/telemetry/logger.ts';

/**
 * How often MySQL is asked whether a sale was added, removed or changed. It answers from an index.
 */
const REFRESH_MS = 500;
/**
 * After this time all sales are read again, in case one was changed by hand without its version.
 */
const READ_MS = 10_000;

/** The sales that a service works on. */
export interface SalesToKeep {
  /** First the sales that have not ended, by start time; then the ended ones, the latest first. */
  readonly current: () => Promise<readonly Sale[]>;
}

/** All sales that the services work on. While MySQL does not answer, they use the last list. */
export class SaleList implements SalesToKeep {
  readonly #db: Db;
  readonly #log: Logger;
  #sales: readonly Sale[] = [];
  #version = '';
  #refreshedMs = -Infinity;
  #readMs = -Infinity;
  #refreshing: Promise<void> | undefined;

  constructor(db: Db, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  /** The sales of one shard only. */
  of(shard: number): SalesToKeep {
    let all: readonly Sale[] | undefined;
    let own: readonly Sale[] = [];
    return {
      current: async () => {
        const now = await this.current();
        if (now !== all) own = now.filter((sale) => sale.shard === shard);
        all = now;
        return own;
      },
    };
  }

  async current(): Promise<readonly Sale[]> {
    if (performance.now() - this.#refreshedMs > REFRESH_MS) await (this.#refreshing ??= this.#refresh());
    return this.#sales;
  }

  async #refresh(): Promise<void> {
    try {
      const nowMs = performance.now();
      // Read this before the sales: a change in between then causes another reading.
      const version = await keptSalesVersion(this.#db);
      if (version !== this.#version || nowMs - this.#readMs > READ_MS) {
        this.#sales = byUrgency(await salesToKeep(this.#db), await ledgerTime(this.#db));
        this.#version = version;
        this.#readMs = nowMs;
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'could not read the sales; using the last list');
    } finally {
      // Also after a failure: do not ask MySQL more often because it does not answer.
      this.#refreshedMs = performance.now();
      this.#refreshing = undefined;
    }
  }
}

function byUrgency(sales: readonly Sale[], now: Date): Sale[] {
  const isOver = (sale: Sale): boolean => sale.endMs <= now.getTime();
  return sales.toSorted((a, b) => {
    if (isOver(a) !== isOver(b)) return isOver(a) ? 1 : -1;
    return isOver(a) ? b.endMs - a.endMs : a.startMs - b.startMs;
  });
}
