/** A token bucket's size and refill. */
export interface BucketLimit {
  readonly capacity: number;
  readonly per_second: number;
}

/**
 * Takes one from a bucket that is full again at `full_at_ms` (0: it is full). GCRA (ITU-T I.371)
 * stores a token bucket in this one number.
 *
 * @returns when the bucket is full again if one is taken now, and how long until one can be taken;
 * take one only if that is 0
 */
export function takeFromBucket(
  { capacity, per_second }: BucketLimit,
  full_at_ms: number,
  now_ms: number,
): { readonly full_at_ms: number; readonly wait_ms: number } {
  const interval_ms = 1_000 / per_second;
  const next_ms = Math.max(full_at_ms, now_ms) + interval_ms;
  return { full_at_ms: next_ms, wait_ms: Math.max(0, next_ms - capacity * interval_ms - now_ms) };
}
