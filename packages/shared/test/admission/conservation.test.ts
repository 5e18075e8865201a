import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { testContext } from '../../testing/support.ts';
import { Run } from './conservation-run.ts';
import { UNITS_PER_SHOPPER, USERS, type Step } from './conservation-model.ts';

const context = await testContext();

const quantity = fc.constantFrom(1, 1, 1, 2, 3, UNITS_PER_SHOPPER + 1);
const user = fc.constantFrom(...USERS);
const which = fc.array(fc.nat(), { minLength: 1, maxLength: 3 });
/** Mostly false. */
const seldom = fc.integer({ min: 0, max: 5 }).map((n) => n === 0);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('issue' as const), user }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('admit' as const),
      buys: fc.array(
        fc.record({ user, quantity, token: fc.constantFrom('live' as const, 'live' as const, 'wrong' as const) }),
        {
          minLength: 1,
          maxLength: 6,
        },
      ),
      late: seldom,
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('resend' as const), which: fc.nat(), late: seldom }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('pause' as const), version: fc.nat(20), paused: seldom }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom('settle' as const, 'give_back' as const), which, lost: seldom }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('rebuild' as const),
      steps: fc.integer({ min: 1, max: 6 }),
      lost: seldom,
      again: fc.boolean(),
      units: fc.integer({ min: 1, max: 8 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('change' as const),
      more: fc.integer({ min: 1, max: 3 }),
      dies: seldom,
      lost: seldom,
      again: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('lose_lease' as const, 'empty_redis' as const, 'flush_scripts' as const),
    }),
  },
);

/**
 * Random interleavings of everything that moves a unit, against a model of a few lines. After every
 * step Redis and the model must agree on each owner, each reservation, each seckill token and the
 * number of free units. A failure prints its seed and path, which `fc.assert` takes to run it
 * again.
 */
test('available + held = total after every step, for any steps in any order', { timeout: 60_000 }, async () => {
  let shard = 100;
  // On a machine with much else to do fewer runs are made rather than a longer test.
  const untilMs = performance.now() + 8_000;
  const { historyId } = await context.commands.clock(0);
  const runs = fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80, size: 'max' }), async (steps) => {
      if (performance.now() > untilMs) return;
      shard += 1;
      const times = { startMs: Date.now() - 60_000, endMs: Date.now() + 3_600_000 };
      const facts = {
        name: 'model',
        priceCents: 1,
        stock: 10,
        seckillStock: 5,
        unitsPerShopper: UNITS_PER_SHOPPER,
        version: 1,
        cleaned: false,
      };
      const run = new Run(context, historyId, {
        id: shard,
        shard,
        ...facts,
        ...times,
        paused: false,
        pauseVersion: 0,
        room: null,
      });
      await run.begin();
      for (const next of steps) await run.take(next);
    }),
    { numRuns: 120 },
  );
  await expect(runs).resolves.toBeUndefined();
});
