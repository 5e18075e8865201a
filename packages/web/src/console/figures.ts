import type { FiguresEvent, SaleFigures } from '../client/operator-types.ts';

/** What the charts show, for each second. */
const RATES = ['accepted', 'written', 'paid', 'refused', 'called'] as const;
type Rate = (typeof RATES)[number];
const LEVELS = ['available', 'backlog', 'waiting', 'inside'] as const;
type Level = (typeof LEVELS)[number];

/** A point of the charts; null if the figure is not known. */
export interface Point extends Readonly<Record<Rate | Level, number | null>> {
  /** Seconds since the epoch. */
  readonly time: number;
}

/** Seconds that the charts show. */
export const SECONDS_SHOWN = 120;
/**
 * Rates are over this many events: each api process reports its counts once a second, at a time of
 * its own.
 */
const RATE_EVENTS = 3;
/** In place of a sale's id: all sales together. */
const ALL = 0;

/** The sales at an earlier event. */
interface Earlier {
  readonly timeMs: number;
  readonly sales: ReadonlyMap<number, SaleFigures>;
}

/** The figures of all live sales, and the points of the last two minutes. */
export class Figures {
  readonly sales = new Map<number, SaleFigures>();
  latest: Omit<FiguresEvent, 'sales' | 'gone'> | undefined;
  readonly #points = new Map<number, Point[]>();
  readonly #earlier: Earlier[] = [];
  #isWhole = false;

  /** A new stream begins: its first event is whole. The points stay. */
  reconnect(): void {
    this.#isWhole = false;
  }

  /** Takes an event. */
  apply({ sales, gone, ...latest }: FiguresEvent): void {
    if (!this.#isWhole) this.sales.clear();
    this.#isWhole = true;
    for (const change of sales) {
      this.sales.set(change.id, { ...this.sales.get(change.id), ...change } as SaleFigures);
    }
    for (const id of gone) {
      this.sales.delete(id);
      this.#points.delete(id);
    }
    this.latest = latest;
    const now = { timeMs: Date.parse(latest.time), sales: new Map(this.sales) };
    const [before] = this.#earlier;
    for (const sale of this.sales.values()) this.#add(sale.id, pointOf([sale], now.timeMs, before));
    this.#add(ALL, pointOf([...this.sales.values()], now.timeMs, before));
    this.#earlier.push(now);
    if (this.#earlier.length > RATE_EVENTS) this.#earlier.shift();
  }

  /** The points of a sale, or of all sales together, oldest first. */
  points(saleId: number = ALL): readonly Point[] {
    return this.#points.get(saleId) ?? [];
  }

  #add(id: number, point: Point): void {
    const points = this.#points.get(id) ?? [];
    points.push(point);
    if (points.length > SECONDS_SHOWN) points.shift();
    this.#points.set(id, points);
  }
}

function pointOf(sales: readonly SaleFigures[], timeMs: number, before: Earlier | undefined): Point {
  const passedS = before === undefined ? 0 : (timeMs - before.timeMs) / 1_000;
  const rate = (totalOf: (sale: SaleFigures) => number | null): number | null => {
    if (passedS <= 0) return null;
    const rises = sales.map((sale) => {
      const earlier = before?.sales.get(sale.id);
      const [now, then] = [totalOf(sale), earlier === undefined ? null : totalOf(earlier)];
      // A total that is lower belongs to another Redis.
      return now === null || then === null ? null : Math.max(0, now - then) / passedS;
    });
    return sumOf(rises);
  };
  const level = (of: (sale: SaleFigures) => number | null): number | null => sumOf(sales.map(of));
  return {
    time: timeMs / 1_000,
    accepted: rate(({ accepted }) => accepted),
    written: rate(({ written }) => written),
    paid: rate(({ paid }) => paid),
    refused: rate(refusedOf),
    called: rate(({ called }) => called),
    available: level(({ available }) => available),
    backlog: level(({ backlog }) => backlog),
    waiting: level(({ waiting }) => waiting),
    inside: level(({ inside }) => inside),
  };
}

/** Refused buys, all codes together. */
export function refusedOf({ refused }: Pick<SaleFigures, 'refused'>): number | null {
  return refused === null ? null : Object.values(refused).reduce((sum, count) => sum + count, 0);
}

/** The sum of what is known; null if nothing is. */
export function sumOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}
