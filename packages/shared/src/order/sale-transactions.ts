import { Refusal } from '../domain/errors.ts';
import { STATUS_LIFE_MS } from '../domain/order.ts';
import { saleOfOrderNumber } from '../domain/order-number.ts';
import type { Db, Tx } from '../db/client.ts';
import { isRefusal, isRolledBack } from '../db/errors.ts';
import { insertOrderEvents } from '../db/order-events.ts';
import { lockSaleRow, type MovedOrder } from '../db/order-transitions.ts';
import type { Commands } from '../redis/commands.ts';
import type { Logger } from '../telemetry/logger.ts';

/** A transaction that holds a sale's row. */
export interface SaleTransaction {
  readonly tx: Tx;
  readonly product_id: number;
  /** The time of all that it does, by the ledger's clock. */
  readonly now: Date;
  /** Takes note of orders that were moved. */
  readonly moved: (orders: readonly MovedOrder[]) => void;
}

/**
 * Does what several callers ask for at once, and answers each in its order: a result, or the Refusal of an item that changed nothing. It
 * may run more than once with the same items, in transactions that are rolled back in between.
 */
export type Work<Item, Result> = (
  transaction: SaleTransaction,
  items: readonly Item[],
) => Promise<readonly (Result | Refusal)[]>;

export interface SaleTransactionsDeps {
  readonly db: Db;
  readonly commands: Commands;
  readonly log: Logger;
  /** Whether order events have a receiver. */
  readonly order_events: boolean;
}

interface Waiting {
  readonly work: Work<unknown, unknown>;
  readonly item: unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Items of one transaction. */
const GROUP_MAX = 100;
const TRIES_MAX = 3;

/**
 * Group commit of order moves: while a transaction of a sale is under way, what this process is asked to do with that sale waits, and then shares
 * the next one, the same work at once for all. So a hot sale is moved by one connection of a process at a time, payments by the
 * hundred, and its row is free for the order writer in between. The technique is that of a log's group commit (DeWitt et al.,
 * "Implementation techniques for main memory database systems", 1984).
 */
export class SaleTransactions {
  readonly #db: Db;
  readonly #commands: Commands;
  readonly #log: Logger;
  readonly #order_events: boolean;
  /** What waits, of each sale that has a transaction under way. */
  readonly #lines = new Map<number, Waiting[]>();

  constructor({ db, commands, log, order_events }: SaleTransactionsDeps) {
    this.#db = db;
    this.#commands = commands;
    this.#log = log;
    this.#order_events = order_events;
  }

  /**
   * Does the work for an item in a transaction that holds the sale's row and leaves the moved orders' events, and sends pollers of them to the ledger
   * before it commits. Where Redis cannot be told, nothing is committed. What the server rolls back for another transaction's sake runs again.
   *
   * @throws Refusal what the work answers, or `not_found` once the sale is being archived; any other error where nothing was committed, or the
   * outcome is not known
   */
  run<Item, Result>(productId: number, work: Work<Item, Result>, item: Item): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const waiting = { work, item, resolve, reject } as unknown as Waiting;
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

  /** Commits a group and answers each of its callers. Never rejects. */
  async #settle(productId: number, group: readonly Waiting[]): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        const { answers, moved } = await this.#commit(productId, group);
        if (moved.length > 0) {
          const orders = moved.map(({ order_no, status }) => [order_no, status]);
          this.#log.info({ sale: productId, orders }, 'orders moved');
        }
        for (const [{ resolve, reject }, answer] of answers) {
          if (answer instanceof Refusal) reject(answer);
          else resolve(answer);
        }
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

  #commit(productId: number, group: readonly Waiting[]) {
    return this.#db
      .transaction()
      .setIsolationLevel('read committed')
      .execute(async (tx) => {
        const now = await lockSaleRow(tx, productId);
        if (now === undefined) throw new Refusal('not_found');
        const moved: MovedOrder[] = [];
        const transaction = {
          tx,
          product_id: productId,
          now,
          moved: (orders: readonly MovedOrder[]) => moved.push(...orders),
        };
        const answers = new Map<Waiting, unknown>();
        for (const [work, waiting] of Map.groupBy(group, (one) => one.work)) {
          const results = await work(
            transaction,
            waiting.map(({ item }) => item),
          );
          for (const [i, one] of waiting.entries()) answers.set(one, results[i]);
        }
        if (moved.length > 0) {
          if (this.#order_events) await insertOrderEvents(tx, productId, moved, now.getTime());
          await this.#commands.markChanged(saleOfOrderNumber(moved[0]!.order_no)!, STATUS_LIFE_MS, moved);
        }
        return { answers, moved };
      });
  }
}
