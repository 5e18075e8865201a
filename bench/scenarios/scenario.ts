import type { Stage } from '../stage/stage.ts';

/**
 * The measured values by name, with the unit last in the name: `accept.per_second`,
 * `open_loop.buy_p99_ms`.
 */
export type Figures = Record<string, number>;

/**
 * The amount of work of each scenario. Amounts, not times: a slower machine takes longer but
 * measures the same.
 */
export interface Size {
  readonly buys: number;
  /** Requests that change nothing: bare, sold out, polls and products. */
  readonly reads: number;
  /** Orders of `usual`, which is several times slower. */
  readonly usualBuys: number;
  readonly journeyShoppers: number;
  readonly openLoopS: number;
}

export interface RunContext {
  readonly stage: Stage;
  readonly size: Size;
  /** The figures of this repetition so far. */
  readonly figures: Figures;
  /** The number of parallel jobs of the worker of `usual`. */
  readonly usualConcurrency: number;
}

/** One measured scenario. */
export interface Scenario {
  readonly name: string;
  /**
   * @returns its figures, audited
   * @throws Broken if the audit finds that the figures are not valid
   */
  readonly run: (context: RunContext) => Promise<Figures>;
}

/**
 * A run whose figures do not count: conservation does not hold, or answers were not as expected.
 */
export class Broken extends Error {
  constructor(findings: readonly string[]) {
    super(findings.join('; '));
    this.name = 'Broken';
  }
}

/** Enough connections to fill the micro-batches, the same number for every closed loop. */
export const CONNECTIONS = 200;

/** Unexpected answers make the rate meaningless, except for a few that were shed. */
export function assertExpected(what: string, unexpected: number, amount: number): void {
  if (unexpected > amount * 0.01)
    throw new Broken([`${unexpected} of ${amount} answers of ${what} were not as expected`]);
}
