/**
 * The value below which `share` (0 to 1) of the sorted values are, by the nearest rank; NaN without
 * values.
 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  const rank = Math.max(1, Math.ceil(share * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

type LatencyJson = Record<'p50_ms' | 'p90_ms' | 'p99_ms', number>;

/** Percentiles of latencies as figures, such as `p99_ms`. */
export function latencyFigures(latenciesMs: Float64Array): LatencyJson {
  const sorted = latenciesMs.toSorted();
  return { p50_ms: percentile(sorted, 0.5), p90_ms: percentile(sorted, 0.9), p99_ms: percentile(sorted, 0.99) };
}

/**
 * The beginning and the end of a run do not count: connections are still being opened, or have
 * nothing left to send.
 */
const EDGE = 0.1;

/** Events per second between the first and the last tenth of them, from their times (ms). */
export function ratePerSecond(timesMs: Float64Array): number {
  const from = Math.floor(timesMs.length * EDGE);
  const to = Math.ceil(timesMs.length * (1 - EDGE)) - 1;
  return ((to - from) * 1_000) / (timesMs[to]! - timesMs[from]!);
}
