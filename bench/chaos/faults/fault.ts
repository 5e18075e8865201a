import type { Stage } from './stage.ts';

/** One kind of fault. */
export interface Fault {
  readonly name: string;
  /** A description, for `--list`. */
  readonly what: string;
  /**
   * With its recovery it takes more than about three seconds: two of these do not fit into one
   * round.
   */
  readonly isLong?: true;
  /** Needs its own round. */
  readonly fillsRound?: true;
  /** Redis loses its own data, so promises 5 and 6 are counted separately. */
  readonly losesRedisData?: true;
  /** Lasts until the last buyer has arrived. */
  readonly outlastsLoad?: true;
  /** Starts the fault, waits, and heals it. Resolves at the moment of the heal. */
  readonly run: (stage: Stage) => Promise<void>;
}
