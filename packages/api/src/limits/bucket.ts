/** A token bucket's size and refill. */
export interface BucketLimit {
  readonly capacity: number;
  readonly perSecond: number;
}

/**
 * Takes one from a bucket that is full again at `fullAtMs` (0: it is full). GCRA (ITU-T I.371)
 * stores a token bucket in this one number.
 *
 * @returns when the bucket is full again if one is taken now, and how long until one can be taken;
 * take one only if that is 0
 */
export function takeFromBucket(
  { capacity, perSecond }: BucketLimit,
  fullAtMs: number,
  nowMs: number,
): { readonly fullAtMs: number; readonly waitMs: number } {
  const intervalMs = 1_000 / perSecond;
  const nextMs = Math.max(fullAtMs, nowMs) + intervalMs;
  return { fullAtMs: nextMs, waitMs: Math.max(0, nextMs - capacity * intervalMs - nowMs) };
}
