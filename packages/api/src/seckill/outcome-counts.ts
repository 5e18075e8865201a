import { randomBytes } from 'node:crypto';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { repeating, type Service } from '@flash-sale/shared/platform/process/service.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';

const FLUSH_MS = 1_000;

interface Totals {
  readonly sale: SaleRef;
  readonly outcomes: Map<string, number>;
  isTold: boolean;
}

/**
 * Adds up the outcomes of buys per sale, and tells Redis once a second: a crowd that is refused costs no write. Each process tells its own
 * totals, so that telling them twice, or late because Redis was away, changes nothing. What a killed process had not told yet is missing from
 * the statistics, and from nothing else.
 */
export class OutcomeCounts {
  readonly #commands: Commands;
  readonly #log: Logger;
  /** Tells this process's totals from those of others, and of its own earlier lives. */
  readonly #process_name = randomBytes(6).toString('hex');
  readonly #totals = new Map<number, Totals>();
  readonly #service: Service;

  constructor(commands: Commands, log: Logger) {
    this.#commands = commands;
    this.#log = log;
    this.#service = repeating({ name: 'outcome_counts', interval_ms: FLUSH_MS, round: () => this.flush() }, log);
  }

  add(sale: SaleRef, outcome: string): void {
    let totals = this.#totals.get(sale.id);
    if (totals === undefined) {
      totals = { sale, outcomes: new Map(), isTold: false };
      this.#totals.set(sale.id, totals);
    }
    totals.outcomes.set(outcome, (totals.outcomes.get(outcome) ?? 0) + 1);
    totals.isTold = false;
  }

  start(): void {
    this.#service.start();
  }

  async stop(): Promise<void> {
    await this.#service.stop();
    await this.flush();
  }

  /** Tells Redis the totals that changed since it was told last. */
  async flush(): Promise<void> {
    const changed = [...this.#totals.values()].filter(({ isTold }) => !isTold);
    await Promise.all(changed.map((totals) => this.#tell(totals)));
  }

  async #tell(totals: Totals): Promise<void> {
    totals.isTold = true;
    try {
      await this.#commands.setOutcomes(totals.sale, this.#process_name, totals.outcomes);
    } catch (error) {
      totals.isTold = false;
      this.#log.warn({ err: error, sale: totals.sale.id }, 'could not save outcome counts; retrying later');
    }
  }
}
