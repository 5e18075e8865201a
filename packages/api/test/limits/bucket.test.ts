import { expect, test } from 'vitest';
import { takeFromBucket, type BucketLimit } from '../../src/limits/bucket.ts';

/** How many of these takes are let pass. */
function passed(limit: BucketLimit, times_ms: readonly number[]): number {
  let full_at_ms = 0;
  return times_ms.filter((now_ms) => {
    const taken = takeFromBucket(limit, full_at_ms, now_ms);
    if (taken.wait_ms === 0) full_at_ms = taken.full_at_ms;
    return taken.wait_ms === 0;
  }).length;
}

test('a bucket allows its capacity at once, then its refill, and never more', () => {
  const limit = { capacity: 5, per_second: 2 };
  const burst = Array.from({ length: 1_000 }, () => 10_000);
  expect(passed(limit, burst)).toBe(5);
  const tenSeconds = Array.from({ length: 10_001 }, (_, i) => 10_000 + i);
  expect(passed(limit, tenSeconds)).toBe(5 + 20);
});

test('an empty bucket returns the time until the next one, to the millisecond', () => {
  const limit = { capacity: 1, per_second: 4 };
  const { full_at_ms } = takeFromBucket(limit, 0, 1_000);
  expect(takeFromBucket(limit, full_at_ms, 1_000).wait_ms).toBe(250);
  expect(takeFromBucket(limit, full_at_ms, 1_249).wait_ms).toBe(1);
  expect(takeFromBucket(limit, full_at_ms, 1_250).wait_ms).toBe(0);
});
