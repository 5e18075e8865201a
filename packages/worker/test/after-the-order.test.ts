import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { Run, UNITS, USERS, type Step } from './after-the-order-model.ts';

let context: TestContext;
beforeAll(async () => {
  context = await openTestContext();
});
afterAll(() => context.close());

const which = fc.nat(1_000);
/** Success comes most often, so that there is money to go astray. */
const KINDS = ['succeeded', 'succeeded', 'succeeded', 'declined', 'refunded', 'wrong_amount', 'refund_failed'] as const;
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('buy' as const), user: fc.constantFrom(...USERS) }) },
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
 * Random lives of a few orders against a model of a few maps, each step of them atomic as it is in
 * the service; a crash between the commit of a close and `give_back`, or between that and its mark,
 * is a step that does not come. After every step MySQL, Redis and the model agree, and the auditor,
 * which shares no code with any of them, finds conservation. A failure prints its seed and path, to
 * be run again by `fc.assert`.
 */
test('units and money match the orders, after any steps in any order', { timeout: 60_000 }, async () => {
  let taken = 0;
  const runs = fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 40, size: 'max' }), async (steps) => {
      const run = new Run(context, await context.openSale({ seckillStock: UNITS }));
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
