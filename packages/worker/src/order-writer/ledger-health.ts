import { pingDb, type Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { LeaseLost } from '@flash-sale/shared/sale/lease.ts';
import { FenceBehind } from './ledger-writer.ts';

/**
 * Whether MySQL accepted this process's last transaction. While it does not answer, the writer
 * takes no reservations: polls of taken orders need MySQL, and all other polls are answered
 * `queued` without it.
 */
export class LedgerHealth {
  readonly #db: Db;
  #isDoubtful = false;

  constructor(db: Db) {
    this.#db = db;
  }

  /** If the last transaction failed, asks MySQL whether it answers again. */
  async check(): Promise<void> {
    if (!this.#isDoubtful) return;
    await pingDb(this.#db);
    this.#isDoubtful = false;
  }

  /** Records the result of a transaction. */
  async watch<Result>(transaction: Promise<Result>): Promise<Result> {
    try {
      return await transaction;
    } catch (error) {
      this.#isDoubtful = !(error instanceof LeaseLost || error instanceof FenceBehind);
      throw error;
    }
  }
}
