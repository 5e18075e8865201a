import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { ledgerTime } from '@flash-sale/shared/platform/mysql/clock.ts';
import { keptSalesVersion, salesToKeep } from '@flash-sale/shared/sale/products-table.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';

/** How often MySQL is asked whether a sale has come, gone or changed, which it answers from an index. */
const LOOK_MS = 500;
/** All of them are read again after this long, in case somebody has changed one by hand and left its version. */
const READ_MS = 10_000;

/** Sales that a service looks after. */
export interface SalesToKeep {
  /** The sales: those that are not over, in the order in which they open, then the others, the last that was open first. */
  readonly current: () => Promise<readonly Sale[]>;
}

/** All sales that the services look after. While MySQL is away they go on with those that were read last. */
export class SaleList implements SalesToKeep {
  readonly #db: Db;
  readonly #log: Logger;
  #sales: readonly Sale[] = [];
  #version = '';
  #lookedMs = -Infinity;
  #readMs = -Infinity;
  #looking: Promise<void> | undefined;

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
    if (performance.now() - this.#lookedMs > LOOK_MS) await (this.#looking ??= this.#look());
    return this.#sales;
  }

  async #look(): Promise<void> {
    try {
      const nowMs = performance.now();
      // Before the sales: a change in between is read again.
      const version = await keptSalesVersion(this.#db);
      if (version !== this.#version || nowMs - this.#readMs > READ_MS) {
        this.#sales = byUrgency(await salesToKeep(this.#db), await ledgerTime(this.#db));
        this.#version = version;
        this.#readMs = nowMs;
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'could not read the sales; using the last list');
    } finally {
      // Also after a failure: MySQL is not asked more often because it is away.
      this.#lookedMs = performance.now();
      this.#looking = undefined;
    }
  }
}

function byUrgency(sales: readonly Sale[], now: Date): Sale[] {
  const isOver = (sale: Sale): boolean => sale.end_ms <= now.getTime();
  return sales.toSorted((a, b) => {
    if (isOver(a) !== isOver(b)) return isOver(a) ? 1 : -1;
    return isOver(a) ? b.end_ms - a.end_ms : a.start_ms - b.start_ms;
  });
}
