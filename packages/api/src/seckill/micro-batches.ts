import { codeOfRedisError } from '@flash-sale/shared/platform/redis/errors.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { FaultLog } from '../fault-log.ts';

/** Items in one call. */
const BATCH_MAX = 100;
/** Items of all sales that wait for their call in this process. */
const WAITING_MAX = 10_000;

/** The result of an item that was in no call, or in a call that failed. */
export interface Failure {
  readonly outcome: 'overloaded' | 'not_ready' | 'unavailable';
}

export interface MicroBatchesOptions<Item, Result> {
  /** The name of the call, in logs. */
  readonly name: string;
  /** Makes one call for items of one sale. Returns their results, in the order of the items. */
  readonly call: (sale: Sale, items: readonly Item[]) => Promise<readonly Result[]>;
  /** Counts the outcomes of a call. */
  readonly count?: (outcome: string, items: number) => void;
  /** Maximum number of items that wait for their call. One more is shed. */
  readonly waitingMax?: number | undefined;
  readonly log: Logger;
}

/** The items of one sale: the waiting ones, and whether a call is in flight. */
interface Line<Item, Result> {
  readonly sale: Sale;
  items: Item[];
  /** Gives an item its result, in the order of the items. */
  resolves: ((result: Result | Failure) => void)[];
  isCalling: boolean;
}

/**
 * Combines requests into calls to Redis: items of a sale that arrive while a call is in flight go
 * together in the next one. The batches clock themselves: one item at low load, as many as
 * `BATCH_MAX` at high load, and never more than one round trip of waiting for it (the same idea as
 * group commit in databases).
 */
export class MicroBatches<Item, Result extends { readonly outcome: string }> {
  readonly #options: MicroBatchesOptions<Item, Result>;
  readonly #faults = new FaultLog();
  readonly #lines = new Map<number, Line<Item, Result>>();
  #waiting = 0;
  #calls = 0;

  constructor(options: MicroBatchesOptions<Item, Result>) {
    this.#options = options;
  }

  /** The number of items that wait for their call. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The number of calls in flight. */
  get calls(): number {
    return this.#calls;
  }

  /** The item's result. Never rejects: if Redis does not answer, the outcome is `unavailable`. */
  add(sale: Sale, item: Item): Promise<Result | Failure> {
    const { waitingMax = WAITING_MAX } = this.#options;
    if (this.#waiting >= waitingMax) return Promise.resolve({ outcome: 'overloaded' });
    let line = this.#lines.get(sale.id);
    if (line === undefined) {
      line = { sale, items: [], resolves: [], isCalling: false };
      this.#lines.set(sale.id, line);
    }
    const { items, resolves } = line;
    const result = new Promise<Result | Failure>((resolve) => {
      items.push(item);
      resolves.push(resolve);
    });
    this.#waiting += 1;
    this.#send(line);
    return result;
  }

  /** Makes the next call, unless one is in flight. */
  #send(line: Line<Item, Result>): void {
    if (line.isCalling) return;
    if (line.items.length === 0) {
      this.#lines.delete(line.sale.id);
      return;
    }
    const items = line.items.splice(0, BATCH_MAX);
    const resolves = line.resolves.splice(0, BATCH_MAX);
    this.#waiting -= items.length;
    this.#calls += 1;
    line.isCalling = true;
    void this.#call(line, items, resolves).finally(() => {
      line.isCalling = false;
      this.#calls -= 1;
      this.#send(line);
    });
  }

  async #call(
    line: Line<Item, Result>,
    items: readonly Item[],
    resolves: Line<Item, Result>['resolves'],
  ): Promise<void> {
    try {
      this.#answer(resolves, await this.#options.call(line.sale, items));
    } catch (error) {
      const { name, log } = this.#options;
      const code = codeOfRedisError(error);
      if (!this.#faults.report(log, error)) {
        const fields = { err: error, sale: line.sale.id, items: items.length };
        log[code === undefined ? 'error' : 'warn'](fields, `${name} call failed`);
      }
      this.#fail(resolves, code ?? 'unavailable');
      if (code === 'unavailable') this.#giveUp(line);
    }
  }

  #answer(resolves: Line<Item, Result>['resolves'], results: readonly (Result | Failure)[]): void {
    const outcomes = new Map<string, number>();
    for (const [i, resolve] of resolves.entries()) {
      const result = results[i]!;
      outcomes.set(result.outcome, (outcomes.get(result.outcome) ?? 0) + 1);
      resolve(result);
    }
    for (const [outcome, count] of outcomes) this.#options.count?.(outcome, count);
  }

  #fail(resolves: Line<Item, Result>['resolves'], outcome: Failure['outcome']): void {
    this.#answer(
      resolves,
      resolves.map(() => ({ outcome })),
    );
  }

  /**
   * Answers the items behind a call that Redis did not answer: a call of their own would make them
   * wait as long again.
   */
  #giveUp(line: Line<Item, Result>): void {
    this.#waiting -= line.items.length;
    line.items.length = 0;
    this.#fail(line.resolves.splice(0), 'unavailable');
  }
}
