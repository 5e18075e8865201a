import { expect, test } from 'vitest';
import { takeFromBucket, type BucketLimit } from '../../src/limits/bucket.ts';

/** How many of these takes are let pass. */
function passed(limit: BucketLimit, timesMs: readonly number[]): number {
  let fullAtMs = 0;
  return timesMs.filter((nowMs) => {
    const taken = takeFromBucket(limit, fullAtMs, nowMs);
    if (taken.waitMs === 0) fullAtMs = taken.fullAtMs;
    return taken.waitMs === 0;
  }).length;
}

test('a bucket allows its capacity at once, then its refill, and never more', () => {
  const limit = { capacity: 5, perSecond: 2 };
  const burst = Array.from({ length: 1_000 }, () => 10_000);
  expect(passed(limit, burst)).toBe(5);
  const tenSeconds = Array.from({ length: 10_001 }, (_, i) => 10_000 + i);
  expect(passed(limit, tenSeconds)).toBe(5 + 20);
});

test('an empty bucket returns the time until the next one, to the millisecond', () => {
  const limit = { capacity: 1, perSecond: 4 };
  const { fullAtMs } = takeFromBucket(limit, 0, 1_000);
  expect(takeFromBucket(limit, fullAtMs, 1_000).waitMs).toBe(250);
  expect(takeFromBucket(limit, fullAtMs, 1_249).waitMs).toBe(1);
  expect(takeFromBucket(limit, fullAtMs, 1_250).waitMs).toBe(0);
});
