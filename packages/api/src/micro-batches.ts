import { codeOfRedisError } from '@flash-sale/shared/platform/redis/errors.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { FaultLog } from './fault-log.ts';

/** Items in one round trip, of all sales together. */
const BATCH_MAX = 100;
/** Items that wait for their call in this process. */
const WAITING_MAX = 10_000;

/** The result of an item that was in no call, or in a call that failed. */
export interface Failure {
  readonly outcome: 'overloaded' | 'not_ready' | 'unavailable';
}

/** The items of one sale in a round trip. */
export interface SaleItems<Item, Of extends SaleRef = SaleRef> {
  readonly sale: Of;
  readonly items: readonly Item[];
}

export interface MicroBatchesOptions<Item, Result, Of extends SaleRef> {
  /** The name of the call, in logs. */
  readonly name: string;
  /**
   * Makes the calls for different sales of a shard, all at once, so that they are one round trip.
   * Returns for each sale the results, in the order of its items.
   */
  readonly call: (sales: readonly SaleItems<Item, Of>[]) => Promise<readonly Result[]>[];
  /** Counts the outcomes of a call. */
  readonly count?: (outcome: string, items: number) => void;
  /** Maximum number of items that wait for their call. One more is shed. */
  readonly waitingMax?: number | undefined;
  readonly log: Logger;
}

interface Waiting<Item, Result, Of extends SaleRef> {
  readonly sale: Of;
  readonly item: Item;
  readonly resolve: (result: Result | Failure) => void;
}

/** The items of one shard: the waiting ones, and whether a round trip is in progress. */
interface Line<Item, Result, Of extends SaleRef> {
  waiting: Waiting<Item, Result, Of>[];
  isCalling: boolean;
}

/**
 * Combines requests into calls to Redis: items that arrive while a round trip to their shard is in
 * progress go together in the next one, whatever their sale. The batches clock themselves: one item
 * at low load, as many as `BATCH_MAX` at high load, and never more than one round trip of waiting
 * for it (the same idea as group commit in databases).
 */
export class MicroBatches<Item, Result extends { readonly outcome: string }, Of extends SaleRef = SaleRef> {
  readonly #options: MicroBatchesOptions<Item, Result, Of>;
  readonly #faults = new FaultLog();
  /** By shard. */
  readonly #lines = new Map<number, Line<Item, Result, Of>>();
  #waiting = 0;
  #calls = 0;

  constructor(options: MicroBatchesOptions<Item, Result, Of>) {
    this.#options = options;
  }

  /** The number of items that wait for their call. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The number of round trips in progress. */
  get calls(): number {
    return this.#calls;
  }

  /** The item's result. Never rejects: if Redis does not answer, the outcome is `unavailable`. */
  add(sale: Of, item: Item): Promise<Result | Failure> {
    const { waitingMax = WAITING_MAX } = this.#options;
    if (this.#waiting >= waitingMax) return Promise.resolve({ outcome: 'overloaded' });
    let line = this.#lines.get(sale.shard);
    if (line === undefined) {
      line = { waiting: [], isCalling: false };
      this.#lines.set(sale.shard, line);
    }
    const { waiting } = line;
    const result = new Promise<Result | Failure>((resolve) => {
      waiting.push({ sale, item, resolve });
    });
    this.#waiting += 1;
    if (!line.isCalling) void this.#send(line);
    return result;
  }

  /** Makes round trips until no item waits. */
  async #send(line: Line<Item, Result, Of>): Promise<void> {
    line.isCalling = true;
    this.#calls += 1;
    while (line.waiting.length > 0) {
      const batch = line.waiting.splice(0, BATCH_MAX);
      this.#waiting -= batch.length;
      const sales = [...Map.groupBy(batch, ({ sale }) => sale.id).values()];
      const calls = this.#call(
        sales.map((waiting) => ({ sale: waiting[0]!.sale, items: waiting.map(({ item }) => item) })),
      );
      const answered = sales.map((waiting, i) => this.#answer(waiting, calls[i]!));
      // Items behind a call that Redis did not answer: a call of their own would make them wait as
      // long again.
      if ((await Promise.all(answered)).includes('unavailable')) this.#giveUp(line);
    }
    this.#calls -= 1;
    line.isCalling = false;
  }

  #call(sales: readonly SaleItems<Item, Of>[]): Promise<readonly Result[]>[] {
    try {
      return this.#options.call(sales);
    } catch (error) {
      return sales.map(() => Promise.reject(error as Error));
    }
  }

  /** Answers the items of a call. Returns why it failed, if it did. */
  async #answer(
    waiting: readonly Waiting<Item, Result, Of>[],
    call: Promise<readonly Result[]>,
  ): Promise<Failure['outcome'] | undefined> {
    try {
      this.#resolve(waiting, await call);
      return undefined;
    } catch (error) {
      const { name, log } = this.#options;
      const code = codeOfRedisError(error);
      if (!this.#faults.report(log, error)) {
        const fields = { err: error, sale: waiting[0]!.sale.id, items: waiting.length };
        log[code === undefined ? 'error' : 'warn'](fields, `${name} call failed`);
      }
      this.#fail(waiting, code ?? 'unavailable');
      return code;
    }
  }

  #resolve(waiting: readonly Waiting<Item, Result, Of>[], results: readonly (Result | Failure)[]): void {
    const outcomes = new Map<string, number>();
    for (const [i, { resolve }] of waiting.entries()) {
      const result = results[i]!;
      outcomes.set(result.outcome, (outcomes.get(result.outcome) ?? 0) + 1);
      resolve(result);
    }
    for (const [outcome, count] of outcomes) this.#options.count?.(outcome, count);
  }

  #fail(waiting: readonly Waiting<Item, Result, Of>[], outcome: Failure['outcome']): void {
    this.#resolve(
      waiting,
      waiting.map(() => ({ outcome })),
    );
  }

  #giveUp(line: Line<Item, Result, Of>): void {
    this.#waiting -= line.waiting.length;
    this.#fail(line.waiting.splice(0), 'unavailable');
  }
}
