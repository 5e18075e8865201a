import type { Stage } from './stage.ts';

/** One kind of fault. */
export interface Fault {
  readonly name: string;
  /** What happens, for `--list`. */
  readonly what: string;
  /** Takes more than about three seconds with its recovery: two of these do not fit into one round. */
  readonly isLong?: true;
  /** Takes a round of its own. */
  readonly fillsRound?: true;
  /** Redis loses data of its own, so that promises 5 and 6 are counted apart. */
  readonly losesRedisData?: true;
  /** Lasts until the last buyer has come. */
  readonly outlastsLoad?: true;
  /** Strikes, waits, heals. Resolves in the moment of the heal. */
  readonly run: (stage: Stage) => Promise<void>;
}
