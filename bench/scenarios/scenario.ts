import type { Stage } from '../stage/stage.ts';

/** What was measured, by name; the unit is last in the name. `accept.per_second`, `open_loop.buy_p99_ms`. */
export type Figures = Record<string, number>;

/** How much each scenario does. Amounts, not times: a slower machine takes longer and measures the same. */
export interface Size {
  readonly buys: number;
  /** Requests that change nothing: bare, sold out, polls and products. */
  readonly reads: number;
  /** Orders of `usual`, which is several times slower. */
  readonly usual_buys: number;
  readonly mixed_shoppers: number;
  readonly open_loop_s: number;
}

export interface RunContext {
  readonly stage: Stage;
  readonly size: Size;
  /** Figures of this repetition so far. */
  readonly figures: Figures;
  /** How many jobs the worker of `usual` takes at once. */
  readonly usual_concurrency: number;
}

/** One thing that is measured. */
export interface Scenario {
  readonly name: string;
  /**
   * @returns its figures, audited
   * @throws Broken where the audit finds that they are not worth reporting
   */
  readonly run: (context: RunContext) => Promise<Figures>;
}

/** A run whose figures do not count: conservation does not hold, or answers were not what they should be. */
export class Broken extends Error {
  constructor(findings: readonly string[]) {
    super(findings.join('; '));
    this.name = 'Broken';
  }
}

/** As many connections as fill the micro-batches, for every closed loop alike. */
export const CONNECTIONS = 200;

/** Answers that were not as expected make the rate meaningless, but for a few that were shed. */
export function assertExpected(what: string, unexpected: number, amount: number): void {
  if (unexpected > amount * 0.01)
    throw new Broken([`${unexpected} of ${amount} answers of ${what} were not as expected`]);
}
