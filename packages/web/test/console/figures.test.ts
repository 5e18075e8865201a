import { describe, expect, test } from 'vitest';
import { Figures, SECONDS_SHOWN } from '../../src/console/figures.ts';
import type { FiguresEvent, SaleFigures } from '../../src/client/operator-types.ts';

const SALE: SaleFigures = {
  id: 7,
  name: 'Phone',
  status: 'open',
  start_time: '2026-11-29T10:00:00.000Z',
  end_time: '2026-11-29T11:00:00.000Z',
  units: 100,
  available: 100,
  held: 0,
  gap: 0,
  backlog: 0,
  oldest_ms: 0,
  accepted: 0,
  replayed: 0,
  refused: {},
  written: 0,
  failed: 0,
  paid: 0,
  cancelled: 0,
  expired: 0,
  refunded: 0,
  waiting: null,
  inside: null,
  called: null,
};
const START_MS = Date.parse('2026-11-29T10:00:00.000Z');

const event = (second: number, ...sales: FiguresEvent['sales']): FiguresEvent => ({
  time: new Date(START_MS + second * 1_000).toISOString(),
  redis: true,
  mysql: true,
  sales,
  gone: [],
  shards: [],
  processes: [],
});

describe('the figures of a console', () => {
  test('follow the stream: a whole event, then what has changed, until a sale is gone', () => {
    const figures = new Figures();
    figures.apply(event(0, SALE, { ...SALE, id: 8 }));
    figures.apply(event(1, { id: 7, available: 99, held: 1 }));
    expect(figures.sales.get(7)).toEqual({ ...SALE, available: 99, held: 1 });
    expect(figures.sales.get(8)).toEqual({ ...SALE, id: 8 });
    figures.apply({ ...event(2), gone: [7] });
    expect([...figures.sales.keys()]).toEqual([8]);
    expect(figures.points(7)).toEqual([]);
  });

  test('turn totals into rates of the last three seconds, so that a count that comes late makes no peak', () => {
    const figures = new Figures();
    figures.apply(event(0, SALE));
    expect(figures.points().at(-1)).toMatchObject({ accepted: null, available: 100 });
    // Ten a second, reported every other second.
    for (const [second, accepted] of [0, 20, 20, 40, 40, 60].entries()) {
      if (second > 0) figures.apply(event(second, { id: 7, accepted, refused: { sold_out: accepted } }));
    }
    const rates = figures.points(7).slice(3);
    for (const { accepted, refused } of rates) {
      expect(accepted).toBeGreaterThan(6);
      expect(accepted).toBeLessThan(14);
      expect(refused).toBe(accepted);
    }
  });

  test('know no rate while a server does not answer, and none below zero after Redis was lost', () => {
    const figures = new Figures();
    figures.apply(event(0, { ...SALE, accepted: 50, written: 50 }));
    figures.apply(event(1, { id: 7, accepted: null, available: null }));
    expect(figures.points(7).at(-1)).toMatchObject({ accepted: null, available: null, written: 0 });
    figures.apply(event(2, { id: 7, accepted: 3, available: 97 }));
    expect(figures.points(7).at(-1)).toMatchObject({ accepted: 0, available: 97 });
  });

  test('begin anew with the whole event of the next stream, and keep the points', () => {
    const figures = new Figures();
    figures.apply(event(0, SALE, { ...SALE, id: 8 }));
    figures.reconnect();
    figures.apply(event(5, { ...SALE, accepted: 10 }));
    expect([...figures.sales.keys()]).toEqual([7]);
    expect(figures.points()).toHaveLength(2);
    expect(figures.points(7).at(-1)).toMatchObject({ accepted: 2 });
  });

  test('keep two minutes of points', () => {
    const figures = new Figures();
    for (let second = 0; second < SECONDS_SHOWN + 50; second += 1) figures.apply(event(second, SALE));
    expect(figures.points()).toHaveLength(SECONDS_SHOWN);
  });
});
