import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { EarlyLine, SLOT_PEOPLE_MAX } from '../../src/waiting-room/early-line.ts';
import {
  callsPerSecond,
  CLOSED_GATE,
  nextGate,
  peopleBetween,
  peopleInside,
  type Gate,
} from '../../src/waiting-room/gate.ts';
import { EARLY_END, EARLY_SLOTS, latePlace, PARTS } from '../../src/waiting-room/place.ts';
import { RoomModel, RULES } from './gate-model.ts';

const NOBODY = new EarlyLine(Buffer.alloc(0));
const VIEW = { nowMs: 1_000_000, available: 10, bought: 0, late: 100 * PARTS, admitPerSecond: 1_000 };

test('the gate calls two people for each free unit, and no more until some have bought or their time is over', () => {
  const first = nextGate(CLOSED_GATE, NOBODY, VIEW, RULES)!;
  expect(first).toMatchObject({ version: 1, gate: latePlace(20 * PARTS), calls: [{ people: 20 }] });
  const later = { ...VIEW, nowMs: VIEW.nowMs + 5_000 };
  expect(nextGate(first, NOBODY, later, RULES)).toBeUndefined();
  const fiveBought = { ...later, available: 5, bought: 15 };
  expect(nextGate(first, NOBODY, fiveBought, RULES)).toMatchObject({ gate: latePlace(25 * PARTS) });
  const timedOut = { ...VIEW, nowMs: VIEW.nowMs + RULES.passMs + 1_000 };
  expect(nextGate(first, NOBODY, timedOut, RULES)).toMatchObject({ gate: latePlace(40 * PARTS) });
});

test('nobody is called while no unit is free; a unit that comes back hours later calls the next shopper', () => {
  const soldOut = { ...VIEW, available: 0 };
  expect(nextGate(CLOSED_GATE, NOBODY, soldOut, RULES)).toBeUndefined();
  const gate = nextGate(CLOSED_GATE, NOBODY, VIEW, RULES)!;
  const hoursLater = { ...VIEW, nowMs: VIEW.nowMs + 4 * 3_600_000, available: 1 };
  expect(nextGate(gate, NOBODY, hoursLater, RULES)).toMatchObject({ gate: latePlace(22 * PARTS) });
});

test('a shopper whose group was taken when everybody was called is called like all others', () => {
  const gate = { ...CLOSED_GATE, gate: latePlace(3 * PARTS) };
  expect(nextGate(gate, NOBODY, { ...VIEW, late: 3 * PARTS }, RULES)).toBeUndefined();
  const next = nextGate(gate, NOBODY, { ...VIEW, late: 3 * PARTS + 1 }, RULES)!;
  expect(next).toMatchObject({ gate: latePlace(3 * PARTS + 1) });
  expect(callsPerSecond(next, VIEW.nowMs, RULES.passMs)).toBeUndefined();
});

test('a clock that is set back neither stops the gate for long nor opens it', () => {
  const gate = nextGate(CLOSED_GATE, NOBODY, VIEW, RULES)!;
  const back = { ...VIEW, nowMs: VIEW.nowMs - 3_600_000 };
  const stays = nextGate(gate, NOBODY, back, RULES)!;
  expect(stays).toMatchObject({ version: 2, gate: gate.gate });
  expect(nextGate(stays, NOBODY, back, RULES)).toBeUndefined();
  const again = nextGate(gate, NOBODY, { ...back, available: 20 }, RULES)!;
  expect(again).toMatchObject({ gate: latePlace(40 * PARTS) });
  const passed = { ...back, nowMs: back.nowMs + RULES.passMs + 2_000 };
  expect(nextGate(again, NOBODY, passed, RULES)).toBeDefined();
  // Also if nobody could be called meanwhile.
  expect(nextGate(stays, NOBODY, passed, RULES)).toMatchObject({ gate: latePlace(40 * PARTS) });
});

test.each([1, 2, 20])(
  'a crowd so large that shoppers share slots is called at the given rate: %i per second',
  (admitPerSecond) => {
    const crowd = new EarlyLine(Buffer.alloc(EARLY_SLOTS / 8, 0xff));
    const seconds = 120;
    const view = { ...VIEW, available: 100_000, admitPerSecond };
    let gate: Gate = CLOSED_GATE;
    for (let ms = 0; ms < seconds * 1_000; ms += 250) {
      gate = nextGate(gate, crowd, { ...view, nowMs: VIEW.nowMs + ms }, RULES) ?? gate;
    }
    const called = peopleBetween(crowd, 0, gate.gate);
    expect(called).toBeGreaterThan(seconds * admitPerSecond - SLOT_PEOPLE_MAX);
    expect(called).toBeLessThan(seconds * admitPerSecond + 2 * SLOT_PEOPLE_MAX);
  },
);

test.each([60, 600, 3_600])('the estimated wait is close to the real one for passes of %i seconds', (passSeconds) => {
  const rules = { ...RULES, passMs: passSeconds * 1_000 };
  let gate: Gate = CLOSED_GATE;
  for (let ms = 0; ms < 200_000; ms += 250) {
    const view = { ...VIEW, nowMs: 3_600_001 + ms, late: 1e9, available: 1e6, admitPerSecond: 8 };
    gate = nextGate(gate, NOBODY, view, rules) ?? gate;
    if (ms < 2_000) continue;
    const perSecond = callsPerSecond(gate, view.nowMs, rules.passMs);
    expect(perSecond).toBeGreaterThan(4);
    expect(perSecond).toBeLessThan(16);
  }
});

test('the last calls are few, however long the sale runs', () => {
  let gate: Gate = CLOSED_GATE;
  for (let i = 0; i < 2_000; i += 1) {
    const view = { ...VIEW, nowMs: VIEW.nowMs + i * 250, late: 1e9, available: 1e6, admitPerSecond: 8 };
    gate = nextGate(gate, NOBODY, view, RULES) ?? gate;
  }
  expect(gate.calls.length).toBeLessThan(110);
  expect(gate.gate).toBeGreaterThan(EARLY_END + 3_900 * PARTS);
  expect(callsPerSecond(gate, VIEW.nowMs + 500_000, RULES.passMs)).toBeCloseTo(8, 0);
  expect(peopleInside(gate, { nowMs: VIEW.nowMs + 500_000, bought: 0 }, RULES.passMs)).toBeLessThan(8 * 22);
});

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('round' as const), dies: fc.boolean(), twice: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('buy' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('give back' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('top up' as const), units: fc.integer({ min: 1, max: 5 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1_000, max: 60_000 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('arrive' as const),
      count: fc.integer({ min: 1, max: 40 }),
      buys: fc.boolean(),
    }),
  },
);

test('with returns, top-ups, late arrivals, crashes and two gates at once, the gate keeps its rules and sells every unit', () => {
  const run = fc.property(
    fc.record({
      early: fc.integer({ min: 0, max: 400 }),
      units: fc.integer({ min: 1, max: 30 }),
      admitPerSecond: fc.integer({ min: 1, max: 200 }),
      noShows: fc.integer({ min: 0, max: 3 }),
    }),
    fc.array(step, { maxLength: 60, size: 'max' }),
    ({ early, units, admitPerSecond, noShows }, steps) => {
      const model = new RoomModel({ early, units, admitPerSecond, buys: (i) => i % 4 >= noShows });
      for (const next of steps) {
        if (next.kind === 'round') model.round(next);
        else if (next.kind === 'buy') model.buy();
        else if (next.kind === 'give back') model.giveBack();
        else if (next.kind === 'top up') model.available += next.units;
        else if (next.kind === 'wait') model.nowMs += next.ms;
        else model.arrive(next.count, next.buys);
        model.check();
      }
      // From now on all is well, and there is enough time.
      for (let i = 0; i < 2_000 && model.available > 0 && model.waiting > 0; i += 1) {
        model.nowMs += 2_000;
        model.round();
        model.buy();
        model.check();
      }
      model.buy();
      expect(model.faults).toEqual([]);
      const wanting = model.people.some(({ willBuy, state }) => willBuy && (state === 'waiting' || state === 'called'));
      expect(model.available > 0 && wanting).toBe(false);
      expect(fastest(model.calls)).toBeLessThanOrEqual(model.admitPerSecond * 1.5 + 3);
    },
  );
  fc.assert(run, { numRuns: 50, seed: 21 });
});

/** The most people that were called in any second. */
function fastest(calls: readonly { readonly atMs: number; readonly people: number }[]): number {
  const sums = calls.map(({ atMs: from }) =>
    calls.reduce((sum, { atMs, people }) => (atMs >= from && atMs < from + 1_000 ? sum + people : sum), 0),
  );
  return Math.max(0, ...sums);
}
