import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openLoop } from '../../load/open-loop.ts';
import { percentile } from '../../load/statistics.ts';

const OK = { status: 200, body: '' };

test('requests are sent at their rate however slow the answers are', async () => {
  let underWay = 0;
  let most = 0;
  const { sentPerSecond, latenciesMs } = await openLoop({
    perSecond: 500,
    count: 100,
    send: async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      await pause(100);
      underWay -= 1;
      return OK;
    },
  });
  // A busy machine may send late, never early: 100 requests at 500/s are due within 0.2 s.
  expect(sentPerSecond).toBeLessThan(520);
  expect(most).toBeGreaterThan(10);
  expect(latenciesMs.every((latencyMs) => latencyMs >= 99)).toBe(true);
});

test('a stall counts for every request that was due during it', async () => {
  const { latenciesMs } = await openLoop({
    perSecond: 1_000,
    count: 300,
    // The sender itself is held up once, for as long as 150 requests are due: a closed loop would
    // see one slow call.
    send: (index) => {
      if (index === 50) {
        const untilMs = performance.now() + 150;
        while (performance.now() < untilMs);
      }
      return Promise.resolve(OK);
    },
  });
  const slow = latenciesMs.filter((latencyMs) => latencyMs > 20).length;
  expect(slow).toBeGreaterThan(100);
  expect(percentile(latenciesMs.toSorted(), 0.99)).toBeGreaterThan(100);
});
