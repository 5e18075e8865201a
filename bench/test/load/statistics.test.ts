import { expect, test } from 'vitest';
import { latencyFigures, median, percentile, ratePerSecond } from '../../load/statistics.ts';

test('a percentile is a measured value, at its rank; the highest one is the last value', () => {
  const sorted = Float64Array.from({ length: 100 }, (_, i) => i + 1);
  expect(percentile(sorted, 0.5)).toBe(50);
  expect(percentile(sorted, 0.99)).toBe(99);
  expect(percentile(sorted, 1)).toBe(100);
  expect(percentile(Float64Array.of(7), 0.01)).toBe(7);
  expect(percentile(new Float64Array(0), 0.5)).toBeNaN();
});

test('latencies may come in any order', () => {
  expect(latencyFigures(Float64Array.from([30, 10, 20]))).toEqual({ p50_ms: 20, p90_ms: 30, p99_ms: 30 });
});

test('a median of an even number is the mean of the two in the middle', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([3, 1, 2])).toBe(2);
});

test('a rate leaves out a slow start and a slow end', () => {
  // A thousand a second, without the first and the last of the answers.
  const timesMs = Float64Array.from({ length: 101 }, (_, i) => 5_000 + i);
  timesMs[0] = 0;
  timesMs[100] = 60_000;
  expect(ratePerSecond(timesMs)).toBeCloseTo(1_000);
});
