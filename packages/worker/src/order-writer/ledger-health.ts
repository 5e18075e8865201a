import { pingDb, type Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { LeaseLost } from '@flash-sale/shared/sale/lease.ts';
import { FenceBehind } from './ledger-writer.ts';

/**
 * Whether MySQL took this process's last transaction. While it is away no reservation is taken for it: polls of what was taken need MySQL's word,
 * and those of all others are told `queued` without it.
 */
export class LedgerHealth {
  readonly #db: Db;
  #isDoubtful = false;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Asks MySQL whether it is back, if it has failed. */
  async check(): Promise<void> {
    if (!this.#isDoubtful) return;
    await pingDb(this.#db);
    this.#isDoubtful = false;
  }

  /** Takes note of what becomes of a transaction. */
  async watch<Result>(transaction: Promise<Result>): Promise<Result> {
    try {
      return await transaction;
    } catch (error) {
      this.#isDoubtful = !(error instanceof LeaseLost || error instanceof FenceBehind);
      throw error;
    }
  }
}
