import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { LedgerHealth } from './ledger-health.ts';
import { NotNow, SaleWriter, type SaleWriterDeps } from './sale-writer.ts';

/** The writers of all sales that have jobs in this process. */
export class OrderWriter {
  readonly #deps: SaleWriterDeps;
  readonly #ledgerHealth: LedgerHealth;
  readonly #writers = new Map<number, SaleWriter>();
  #stopping = false;

  constructor(deps: SaleWriterDeps) {
    this.#deps = deps;
    this.#ledgerHealth = new LedgerHealth(deps.db);
  }

  /** @see SaleWriter.settle */
  async settle(sale: SaleRef, batchNo: string): Promise<void> {
    // This job arrived when the process was told to stop. A new writer for its sale would not stop.
    if (this.#stopping) throw new NotNow('stopping');
    let writer = this.#writers.get(sale.id);
    if (writer === undefined) {
      writer = new SaleWriter(this.#deps, sale, this.#ledgerHealth);
      this.#writers.set(sale.id, writer);
    }
    try {
      await writer.settle(batchNo);
    } finally {
      void this.#forgetIdle(sale, writer);
    }
  }

  /** Removes a writer when it has nothing to do. */
  async #forgetIdle(sale: SaleRef, writer: SaleWriter): Promise<void> {
    await writer.running;
    if (writer.running === undefined && this.#writers.get(sale.id) === writer) this.#writers.delete(sale.id);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#writers.values()].map((writer) => writer.stop()));
  }
}
