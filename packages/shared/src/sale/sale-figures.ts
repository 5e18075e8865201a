/**
 * The figures of a sale at one instant, as one text, which stays the same while nothing happens.
 */
export interface SaleFigures {
  readonly text: string;
  readonly nowMs: number;
}

/** The counts of a sale at one instant. `available` and `held` are only valid if `ready`. */
export interface SaleCounts {
  readonly ready: boolean;
  readonly available: number;
  /** The number of units that shoppers hold. */
  readonly held: number;
  readonly reservations: number;
  /** Age of the oldest reservation; 0 if there is none. */
  readonly oldestReservationMs: number;
  /** The units of the sale, by Redis. */
  readonly units: number;
  /** The buys by outcome. */
  readonly outcomes: Readonly<Record<string, number>>;
}

export function countsOf({ text, nowMs }: SaleFigures): SaleCounts {
  const [ready, available, held, reservations, oldestMs, units, ...outcomes] = text.split('\n');
  const pairs = outcomes.flatMap((field, i) => (i % 2 === 0 ? [[field, outcomes[i + 1]!] as const] : []));
  return {
    ready: ready === '1',
    available: Number(available),
    held: Number(held),
    reservations: Number(reservations),
    oldestReservationMs: reservations === '0' ? 0 : Math.max(0, nowMs - Number(oldestMs)),
    units: Number(units),
    outcomes: outcomesOf(pairs),
  };
}

/** The buys by outcome, over all api processes: the field of each is "process outcome". */
export function outcomesOf(counts: Iterable<readonly [field: string, count: string]>): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [field, count] of counts) {
    const outcome = field.slice(field.indexOf(' ') + 1);
    sums[outcome] = (sums[outcome] ?? 0) + Number(count);
  }
  return sums;
}
