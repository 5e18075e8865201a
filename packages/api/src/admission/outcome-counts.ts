import type { SaleRef } from '@flash-sale/shared/domain/sale.ts';
import type { Commands } from '@flash-sale/shared/redis/commands.ts';
import type { Logger } from '@flash-sale/shared/telemetry/logger.ts';

const FLUSH_MS = 1_000;

/**
 * Adds up the outcomes of buys per sale, and tells Redis once a second: a crowd that is refused costs no write. What a killed process had
 * not told yet is missing from the statistics, and from nothing else.
 */
export class OutcomeCounts {
  readonly #commands: Commands;
  readonly #log: Logger;
  #counts = new Map<number, { readonly sale: SaleRef; readonly outcomes: Map<string, number> }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(commands: Commands, log: Logger) {
    this.#commands = commands;
    this.#log = log;
  }

  add(sale: SaleRef, outcome: string): void {
    let counts = this.#counts.get(sale.id);
    if (counts === undefined) {
      counts = { sale, outcomes: new Map() };
      this.#counts.set(sale.id, counts);
    }
    counts.outcomes.set(outcome, (counts.outcomes.get(outcome) ?? 0) + 1);
  }

  start(): void {
    this.#timer = setInterval(() => void this.flush(), FLUSH_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  /** Tells Redis what came since the last time. */
  async flush(): Promise<void> {
    const counts = [...this.#counts.values()];
    this.#counts = new Map();
    const told = counts.map(({ sale, outcomes }) => this.#commands.countOutcomes(sale, outcomes));
    await Promise.all(told).catch((error: unknown) => this.#log.warn({ err: error }, 'outcomes not counted'));
  }
}
