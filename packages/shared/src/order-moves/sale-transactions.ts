import { Refusal } from '../platform/errors.ts';
import { saleOfOrderNumber } from '../order/order-number.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { isRejectedByMysql, isRolledBack, isSilence } from '../platform/mysql/errors.ts';
import { insertOrderEvents } from '../order-events/order-events-table.ts';
import { lockSaleRow } from '../sale/lock-sale-row.ts';
import type { MovedOrder } from './order-transitions.ts';
import type { Commands } from '../commands.ts';
import { codeOfRedisError } from '../platform/redis/errors.ts';
import type { Logger } from '../platform/telemetry/logger.ts';

/** A transaction that holds a sale's row. */
export interface SaleTransaction {
  readonly tx: Tx;
  readonly productId: number;
  /** The time of all changes in the transaction, by the ledger's clock. */
  readonly now: Date;
  /** Reports orders that were moved. */
  readonly moved: (orders: readonly MovedOrder[]) => void;
}

/**
 * Does the work of several callers in one transaction and returns a result for each, in order: a
 * value, or the Refusal of an item that changed nothing. It may run again with the same items after
 * a rollback.
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
  readonly orderEvents: boolean;
}

/**
 * How to treat an item. The defaults suit a shopper's call: an early error is better than a long
 * wait.
 */
export interface RunOptions<Item, Result> {
  /**
   * The work that is possible while Redis does not answer, in a transaction that moves no order.
   * Without it, the item fails in that case. An item that has it waits as long as the transactions
   * before it take: its sender (a provider) repeats a failed call only much later, if at all.
   */
  readonly withoutRedis?: Work<Item, Result>;
}

interface Waiting {
  readonly work: Work<unknown, unknown>;
  readonly withoutRedis: Work<unknown, unknown> | undefined;
  readonly item: unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Run it in a transaction of its own: MySQL rejected the data of one item of its group. */
  alone: boolean;
  /** Redis did not answer during an attempt. */
  redisIsAway: boolean;
}

/** The items that wait for a sale's row in this process. */
interface Line {
  readonly waiting: Waiting[];
  /** The transaction in progress has taken so long that a server seems not to answer. */
  hangs: boolean;
}

/** Maximum number of items in one transaction. */
const GROUP_MAX = 100;
const TRIES_MAX = 3;
/** Maximum number of items that wait for one sale: some seconds of work. */
const WAITING_MAX = 5_000;
/** A transaction that takes longer than this counts as hanging. The next ones would hang too. */
const PATIENCE_MS = 2_000;

/**
 * Group commit of order moves. While a transaction of a sale is in progress, new work for that sale
 * waits; then all waiting items share the next transaction, with equal work done for all at once.
 * So a process uses one connection for a hot sale, moves payments by the hundred, and leaves the
 * row free for the order writer in between. The technique is a log's group commit (DeWitt et al.,
 * "Implementation techniques for main memory database systems", 1984).
 *
 * If a server does not answer, waiting items fail at once, as in admission: a transaction of their
 * own would only make them wait as long again.
 */
export class SaleTransactions {
  readonly #db: Db;
  readonly #commands: Commands;
  readonly #log: Logger;
  readonly #orderEvents: boolean;
  /** One per sale with a transaction in progress. */
  readonly #lines = new Map<number, Line>();

  constructor({ db, commands, log, orderEvents }: SaleTransactionsDeps) {
    this.#db = db;
    this.#commands = commands;
    this.#log = log;
    this.#orderEvents = orderEvents;
  }

  /**
   * Does the work for an item in a transaction that holds the sale's row. It inserts the events of
   * the moved orders and sends pollers of them to the ledger before it commits. If Redis does not
   * answer, no order is moved. A transaction that the server rolls back because of another one runs
   * again.
   *
   * @throws Refusal the work's own; `not_found` if the sale is being archived; `overloaded` or
   * `unavailable` if nothing was tried, since too many items wait or a server does not answer; any
   * other error if nothing was committed, or the outcome is not known
   */
  run<Item, Result>(
    productId: number,
    work: Work<Item, Result>,
    item: Item,
    { withoutRedis }: RunOptions<Item, Result> = {},
  ): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const rest = { work, withoutRedis, item, resolve, reject, alone: false, redisIsAway: false };
      const waiting = rest as unknown as Waiting;
      const line = this.#lines.get(productId);
      if (line === undefined) {
        const begun = { waiting: [waiting], hangs: false };
        this.#lines.set(productId, begun);
        void this.#runLine(productId, begun);
      } else if (line.waiting.length >= WAITING_MAX) reject(new Refusal('overloaded'));
      else if (line.hangs && withoutRedis === undefined) reject(new Refusal('unavailable'));
      else line.waiting.push(waiting);
    });
  }

  async #runLine(productId: number, line: Line): Promise<void> {
    while (line.waiting.length > 0) {
      const impatience = setTimeout(() => {
        line.hangs = true;
        giveUp(line, ({ withoutRedis }) => withoutRedis === undefined);
      }, PATIENCE_MS);
      await this.#finish(productId, takeGroup(line.waiting), line);
      clearTimeout(impatience);
      line.hangs = false;
    }
    this.#lines.delete(productId);
  }

  /**
   * Commits a group and answers its callers. Items that need another kind of attempt go back into
   * the line. Never rejects.
   */
  async #finish(productId: number, group: readonly Waiting[], line: Line): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        const { answers, moved } = await this.#commit(productId, group);
        if (moved.length > 0) {
          const orders = moved.map(({ orderNo, status }) => [orderNo, status]);
          this.#log.info({ sale: productId, orders }, 'orders moved');
        }
        for (const [{ resolve, reject }, answer] of answers) {
          if (answer instanceof Refusal) reject(answer);
          else resolve(answer);
        }
        return;
      } catch (error) {
        if (isRolledBack(error) && tries < TRIES_MAX) continue;
        if (isRejectedByMysql(error) && group.length > 1) {
          // MySQL rejects the data of one item. The other items must not fail with it.
          for (const waiting of group) waiting.alone = true;
          line.waiting.unshift(...group);
        } else if (codeOfRedisError(error) !== undefined && !group[0]!.redisIsAway) {
          this.#goOnWithoutRedis(group, line, error);
        } else {
          for (const { reject } of group) reject(error);
          if (isSilence(error)) giveUp(line, () => true, error);
        }
        return;
      }
    }
  }

  /** Fails the items that need Redis, and runs the others without it. */
  #goOnWithoutRedis(group: readonly Waiting[], line: Line, error: unknown): void {
    giveUp(line, ({ withoutRedis }) => withoutRedis === undefined, error);
    const [able, unable] = parted(group, ({ withoutRedis }) => withoutRedis !== undefined);
    for (const { reject } of unable) reject(error);
    line.waiting.unshift(...able);
    // Mark the items behind them as well: each would otherwise wait for a call that does not
    // answer.
    for (const waiting of line.waiting) waiting.redisIsAway = true;
    this.#log.warn({ err: error, items: line.waiting.length }, 'could not apply order moves to Redis');
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
          productId,
          now,
          moved: (orders: readonly MovedOrder[]) => moved.push(...orders),
        };
        const answers = new Map<Waiting, unknown>();
        for (const [work, waiting] of Map.groupBy(group, workOf)) {
          const results = await work(
            transaction,
            waiting.map(({ item }) => item),
          );
          for (const [i, one] of waiting.entries()) answers.set(one, results[i]);
        }
        if (moved.length > 0) {
          if (this.#orderEvents) await insertOrderEvents(tx, productId, moved, now.getTime());
          await this.#commands.markChanged(saleOfOrderNumber(moved[0]!.orderNo)!, moved);
        }
        return { answers, moved };
      });
  }
}

const workOf = ({ work, withoutRedis, redisIsAway }: Waiting): Work<unknown, unknown> =>
  redisIsAway ? withoutRedis! : work;

/** The next items of the line that can share a transaction. */
function takeGroup(waiting: Waiting[]): Waiting[] {
  const { alone, redisIsAway } = waiting[0]!;
  if (alone) return waiting.splice(0, 1);
  const other = waiting.findIndex((one) => one.alone || one.redisIsAway !== redisIsAway);
  return waiting.splice(0, Math.min(GROUP_MAX, other === -1 ? waiting.length : other));
}

/** Fails these items of the line: nothing was done for them, and the caller may repeat the call. */
function giveUp({ waiting }: Line, which: (one: Waiting) => boolean, cause?: unknown): void {
  const [gone, left] = parted(waiting.splice(0), which);
  waiting.push(...left);
  for (const { reject } of gone) reject(new Refusal('unavailable', { cause }));
}

function parted<Item>(items: readonly Item[], goesFirst: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(goesFirst), items.filter((item) => !goesFirst(item))];
}
