import { setTimeout as pause } from 'node:timers/promises';
import type { Pool, RowDataPacket } from 'mysql2/promise';
import { Broken } from './scenario.ts';

/** A query for every row would itself be a load. */
const SAMPLED_EVERY = 20;
const LOOK_MS = 10;
const LEFT_MS_MAX = 30_000;

/**
 * Measures the time from the 202 until another client can read the row in MySQL, for one order in
 * twenty; at most ten milliseconds too long.
 */
export class RowWatch {
  readonly #sql: Pool;
  readonly #answeredMs = new Map<string, number>();
  readonly #latenciesMs: number[] = [];
  readonly #watching: Promise<void>;
  #finishing = false;

  constructor(sql: Pool) {
    this.#sql = sql;
    this.#watching = this.#watch();
    // `finish` reports the error, possibly much later.
    this.#watching.catch(() => undefined);
  }

  /** A buy has just been answered with this order number. */
  answered(index: number, orderNo: string): void {
    if (index % SAMPLED_EVERY === 0) this.#answeredMs.set(orderNo, performance.now());
  }

  /** Waits for the rows that are still missing. */
  async finish(): Promise<Float64Array> {
    this.#finishing = true;
    await this.#watching;
    return Float64Array.from(this.#latenciesMs);
  }

  async #watch(): Promise<void> {
    let untilMs = Number.POSITIVE_INFINITY;
    while (!this.#finishing || this.#answeredMs.size > 0) {
      if (this.#finishing && untilMs === Number.POSITIVE_INFINITY) untilMs = performance.now() + LEFT_MS_MAX;
      if (performance.now() > untilMs) throw new Broken([`${this.#answeredMs.size} orders have no row`]);
      if (this.#answeredMs.size > 0) await this.#ask();
      await pause(LOOK_MS);
    }
  }

  async #ask(): Promise<void> {
    const [rows] = await this.#sql.query<RowDataPacket[]>('SELECT order_no FROM orders WHERE order_no IN (?)', [
      [...this.#answeredMs.keys()],
    ]);
    const nowMs = performance.now();
    for (const row of rows) {
      const orderNo = String(row['order_no']);
      this.#latenciesMs.push(nowMs - this.#answeredMs.get(orderNo)!);
      this.#answeredMs.delete(orderNo);
    }
  }
}
