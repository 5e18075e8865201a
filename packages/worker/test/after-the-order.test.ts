import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { testContext } from '@flash-sale/shared/testing/support.ts';
import { Run, UNITS, UNITS_PER_SHOPPER, USERS, type Step } from './after-the-order-model.ts';

const context = await testContext();

const which = fc.nat(1_000);
/** Success is the most frequent event, so that there is money to lose. */
const KINDS = ['succeeded', 'succeeded', 'succeeded', 'declined', 'refunded', 'wrong_amount', 'refund_failed'] as const;
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('buy' as const),
      user: fc.constantFrom(...USERS),
      quantity: fc.integer({ min: 1, max: UNITS_PER_SHOPPER }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('pay' as const), which }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('tell' as const),
      which,
      kind: fc.constantFrom(...KINDS),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('cancel' as const, 'expire' as const, 'refund' as const, 'replay' as const),
      which,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('returns' as const, 'returns' as const, 'give_back' as const, 'rebuild' as const),
    }),
  },
);

/**
 * Random steps of a few orders against a model of a few maps. Each step is atomic, as in the
 * service. A crash between the commit of a close and `give_back`, or between `give_back` and its
 * mark, is a missing step. After every step MySQL, Redis and the model must agree, and the auditor,
 * which shares no code with them, must find conservation. A failure prints its seed and path;
 * `fc.assert` can repeat it.
 */
test('units and money match the orders, after any steps in any order', { timeout: 60_000 }, async () => {
  let taken = 0;
  const runs = fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 40, size: 'max' }), async (steps) => {
      const run = new Run(context, await context.openSale({ seckillStock: UNITS, unitsPerShopper: UNITS_PER_SHOPPER }));
      for (const next of steps) {
        await run.take(next);
        taken += 1;
      }
    }),
    { numRuns: 100, interruptAfterTimeLimit: 10_000 },
  );
  await expect(runs).resolves.toBeUndefined();
  expect(taken).toBeGreaterThan(20);
});
