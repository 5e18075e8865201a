import { Refusal } from '../platform/errors.ts';
import { STATUS_LIFE_MS } from './order.ts';
import { saleOfOrderNumber } from './order-number.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { isRefusal, isRolledBack, isSilence } from '../platform/mysql/errors.ts';
import { insertOrderEvents } from '../order-events/order-events-table.ts';
import { lockSaleRow, type MovedOrder } from './order-transitions.ts';
import type { Commands } from '../commands.ts';
import { codeOfRedisError } from '../platform/redis/errors.ts';
import type { Logger } from '../platform/telemetry/logger.ts';

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

/** How an item is to be treated; without options as a shopper's call is, who would rather ask again than wait. */
export interface RunOptions<Item, Result> {
  /**
   * Does what can be done while Redis cannot be told of a move, in a transaction that moves no order. Without it the item fails then. What has
   * it waits for as long as the transactions before it take: who brings it comes back much later, if at all.
   */
  readonly withoutRedis?: Work<Item, Result>;
}

interface Waiting {
  readonly work: Work<unknown, unknown>;
  readonly withoutRedis: Work<unknown, unknown> | undefined;
  readonly item: unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** In a transaction of its own, since the data of one of its group was refused. */
  alone: boolean;
  /** Redis did not answer when it was tried. */
  redisIsAway: boolean;
}

/** What waits for a sale's row in this process. */
interface Line {
  readonly waiting: Waiting[];
  /** The transaction under way takes so long that something does not answer. */
  hangs: boolean;
}

/** Items of one transaction. */
const GROUP_MAX = 100;
const TRIES_MAX = 3;
/** Items that wait for one sale: some seconds of work. */
const WAITING_MAX = 5_000;
/** After this long a transaction is taken to hang; the next ones would as well. */
const PATIENCE_MS = 2_000;

/**
 * Group commit of order moves: while a transaction of a sale is under way, what this process is asked to do with that sale waits, and then shares
 * the next one, the same work at once for all. So a hot sale is moved by one connection of a process at a time, payments by the
 * hundred, and its row is free for the order writer in between. The technique is that of a log's group commit (DeWitt et al.,
 * "Implementation techniques for main memory database systems", 1984).
 *
 * Whoever waits behind a server that does not answer is told so at once, as in admission: a transaction of their own would keep them as
 * long again.
 */
export class SaleTransactions {
  readonly #db: Db;
  readonly #commands: Commands;
  readonly #log: Logger;
  readonly #order_events: boolean;
  /** Of each sale that has a transaction under way. */
  readonly #lines = new Map<number, Line>();

  constructor({ db, commands, log, order_events }: SaleTransactionsDeps) {
    this.#db = db;
    this.#commands = commands;
    this.#log = log;
    this.#order_events = order_events;
  }

  /**
   * Does the work for an item in a transaction that holds the sale's row and leaves the moved orders' events, and sends pollers of them to the ledger
   * before it commits. Where Redis cannot be told, no order is moved. What the server rolls back for another transaction's sake runs again.
   *
   * @throws Refusal what the work answers; `not_found` once the sale is being archived; `overloaded` or `unavailable` where it was not tried,
   * since too many wait or a server does not answer; any other error where nothing was committed, or the outcome is not known
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
      await this.#settle(productId, takeGroup(line.waiting), line);
      clearTimeout(impatience);
      line.hangs = false;
    }
    this.#lines.delete(productId);
  }

  /** Commits a group and answers each of its callers, or puts those back into the line that are tried in another way. Never rejects. */
  async #settle(productId: number, group: readonly Waiting[], line: Line): Promise<void> {
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

  /** Fails what needs Redis, and has the rest done without it. */
  #goOnWithoutRedis(group: readonly Waiting[], line: Line, error: unknown): void {
    giveUp(line, ({ withoutRedis }) => withoutRedis === undefined, error);
    const [able, unable] = parted(group, ({ withoutRedis }) => withoutRedis !== undefined);
    for (const { reject } of unable) reject(error);
    line.waiting.unshift(...able);
    // Those behind them as well, each of whom would find out by a call that does not answer.
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
          product_id: productId,
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
          if (this.#order_events) await insertOrderEvents(tx, productId, moved, now.getTime());
          await this.#commands.markChanged(saleOfOrderNumber(moved[0]!.order_no)!, STATUS_LIFE_MS, moved);
        }
        return { answers, moved };
      });
  }
}

const workOf = ({ work, withoutRedis, redisIsAway }: Waiting): Work<unknown, unknown> =>
  redisIsAway ? withoutRedis! : work;

/** The next of the line that share a transaction. */
function takeGroup(waiting: Waiting[]): Waiting[] {
  const { alone, redisIsAway } = waiting[0]!;
  if (alone) return waiting.splice(0, 1);
  const other = waiting.findIndex((one) => one.alone || one.redisIsAway !== redisIsAway);
  return waiting.splice(0, Math.min(GROUP_MAX, other === -1 ? waiting.length : other));
}

/** Tells those of the line that nothing was done for them, and that they may come back. */
function giveUp({ waiting }: Line, which: (one: Waiting) => boolean, cause?: unknown): void {
  const [gone, left] = parted(waiting.splice(0), which);
  waiting.push(...left);
  for (const { reject } of gone) reject(new Refusal('unavailable', { cause }));
}

function parted<Item>(items: readonly Item[], goesFirst: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(goesFirst), items.filter((item) => !goesFirst(item))];
}
