import { Refusal } from '../domain/errors.ts';
import { STATUS_LIFE_MS } from '../domain/order.ts';
import { saleOfOrderNumber } from '../domain/order-number.ts';
import type { Db, Tx } from '../db/client.ts';
import { isRefusal, isRolledBack } from '../db/errors.ts';
import { lockSaleRow, type MovedOrder } from '../db/order-transitions.ts';
import type { Commands } from '../redis/commands.ts';

/**
 * Something that moves orders of one sale. It may run more than once, in a transaction that is rolled back in between, and beside the works of
 * others: one that throws a Refusal must have changed nothing.
 */
export type Work<Result> = (tx: Tx, moved: (orders: readonly MovedOrder[]) => void) => Promise<Result>;

interface Waiting {
  readonly work: Work<unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Works of one transaction: at a dozen round trips each they hold the sale's row for some tens of ms. */
const GROUP_MAX = 50;
const TRIES_MAX = 3;

/**
 * Group commit of order moves: while a transaction of a sale is under way, this process's further works of that sale wait, and then share the
 * next one. A sale is moved by one connection of a process at a time, so payments of a hot sale leave the pool's others to whoever does not need
 * the sale's row. The technique is that of a log's group commit (DeWitt et al., "Implementation techniques for main memory database
 * systems", 1984).
 */
export class SaleTransactions {
  readonly #db: Db;
  readonly #commands: Commands;
  /** What waits, of each sale that has a transaction under way. */
  readonly #lines = new Map<number, Waiting[]>();

  constructor({ db, commands }: { readonly db: Db; readonly commands: Commands }) {
    this.#db = db;
    this.#commands = commands;
  }

  /**
   * Runs a work in a transaction that holds the sale's row, and sends pollers of the moved orders to the ledger before it commits. Where Redis
   * cannot be told, nothing is committed. What the server rolls back for another transaction's sake runs again.
   *
   * @throws Refusal what the work throws; any other error once nothing of the transaction was committed, or its outcome is not known
   */
  run<Result>(productId: number, work: Work<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { work, resolve: resolve as Waiting['resolve'], reject };
      const line = this.#lines.get(productId);
      if (line !== undefined) {
        line.push(waiting);
        return;
      }
      this.#lines.set(productId, [waiting]);
      void this.#runLine(productId);
    });
  }

  async #runLine(productId: number): Promise<void> {
    const line = this.#lines.get(productId)!;
    while (line.length > 0) await this.#settle(productId, line.splice(0, GROUP_MAX));
    this.#lines.delete(productId);
  }

  /** Commits a group and answers each of its works. Never rejects. */
  async #settle(productId: number, group: readonly Waiting[]): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        const answers = await this.#commit(productId, group);
        for (const answer of answers) answer();
        return;
      } catch (error) {
        if (isRolledBack(error) && tries < TRIES_MAX) continue;
        if (isRefusal(error) && group.length > 1) {
          // The data of one of them is refused for good, which must not fail the others.
          for (const waiting of group) await this.#settle(productId, [waiting]);
        } else {
          for (const { reject } of group) reject(error);
        }
        return;
      }
    }
  }

  /** Runs the group's works one after the other in one transaction. Returns what is to be told to whom, now that it is committed. */
  #commit(productId: number, group: readonly Waiting[]): Promise<(() => void)[]> {
    return this.#db
      .transaction()
      .setIsolationLevel('read committed')
      .execute(async (tx) => {
        await lockSaleRow(tx, productId);
        const all: MovedOrder[] = [];
        const answers: (() => void)[] = [];
        for (const { work, resolve, reject } of group) {
          try {
            const result = await work(tx, (orders) => all.push(...orders));
            answers.push(() => resolve(result));
          } catch (error) {
            if (!(error instanceof Refusal)) throw error;
            answers.push(() => reject(error));
          }
        }
        if (all.length > 0) {
          await this.#commands.markChanged(saleOfOrderNumber(all[0]!.order_no)!, STATUS_LIFE_MS, all);
        }
        return answers;
      });
  }
}
