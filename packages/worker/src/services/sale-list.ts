import type { Sale } from '@flash-sale/shared/domain/sale.ts';
import type { Db } from '@flash-sale/shared/db/client.ts';
import { salesToKeep } from '@flash-sale/shared/db/products.ts';
import type { Logger } from '@flash-sale/shared/telemetry/logger.ts';

const FRESH_MS = 250;

/** Sales that a service looks after. */
export interface SalesToKeep {
  /** The sales, those that open first before the others. */
  readonly current: () => Promise<readonly Sale[]>;
}

/** All sales that the services look after. While MySQL is away they go on with those that were read last. */
export class SaleList implements SalesToKeep {
  readonly #db: Db;
  readonly #log: Logger;
  #sales: readonly Sale[] = [];
  #read_ms = -Infinity;
  #reading: Promise<void> | undefined;

  constructor(db: Db, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  /** The sales of one shard only. */
  of(shard: number): SalesToKeep {
    return { current: async () => (await this.current()).filter((sale) => sale.shard === shard) };
  }

  async current(): Promise<readonly Sale[]> {
    if (performance.now() - this.#read_ms > FRESH_MS) await (this.#reading ??= this.#read());
    return this.#sales;
  }

  async #read(): Promise<void> {
    try {
      this.#sales = await salesToKeep(this.#db);
      this.#read_ms = performance.now();
    } catch (error) {
      this.#log.warn({ err: error }, 'sales could not be read; going on with those known');
    } finally {
      this.#reading = undefined;
    }
  }
}
