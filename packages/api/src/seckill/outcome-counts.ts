import { randomBytes } from 'node:crypto';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { repeating, type Service } from '@flash-sale/shared/platform/process/service.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';

const FLUSH_MS = 1_000;

interface Totals {
  readonly sale: SaleRef;
  readonly outcomes: Map<string, number>;
  isSaved: boolean;
}

/**
 * Counts the outcomes of buys per sale, and writes them to Redis once a second: a refused crowd
 * causes no writes of its own. Each process writes its own totals, so that a repeated or late write
 * changes nothing. If a process is killed, its last counts are missing from the statistics, and
 * from nothing else.
 */
export class OutcomeCounts {
  readonly #commands: Commands;
  readonly #log: Logger;
  /** Distinguishes this run's totals from other processes and earlier runs. */
  readonly #processName = randomBytes(6).toString('hex');
  readonly #totals = new Map<number, Totals>();
  readonly #service: Service;

  constructor(commands: Commands, log: Logger) {
    this.#commands = commands;
    this.#log = log;
    this.#service = repeating({ name: 'outcome_counts', intervalMs: FLUSH_MS, round: () => this.flush() }, log);
  }

  add(sale: SaleRef, outcome: string): void {
    let totals = this.#totals.get(sale.id);
    if (totals === undefined) {
      totals = { sale, outcomes: new Map(), isSaved: false };
      this.#totals.set(sale.id, totals);
    }
    totals.outcomes.set(outcome, (totals.outcomes.get(outcome) ?? 0) + 1);
    totals.isSaved = false;
  }

  start(): void {
    this.#service.start();
  }

  async stop(): Promise<void> {
    await this.#service.stop();
    await this.flush();
  }

  /** Writes the totals to Redis that have changed since the last write. */
  async flush(): Promise<void> {
    const changed = [...this.#totals.values()].filter(({ isSaved }) => !isSaved);
    await Promise.all(changed.map((totals) => this.#save(totals)));
  }

  async #save(totals: Totals): Promise<void> {
    totals.isSaved = true;
    try {
      await this.#commands.setOutcomes(totals.sale, this.#processName, totals.outcomes);
    } catch (error) {
      totals.isSaved = false;
      this.#log.warn({ err: error, sale: totals.sale.id }, 'could not save outcome counts; retrying later');
    }
  }
}
