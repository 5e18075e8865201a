import { LRUCache } from 'lru-cache';
import type { RefusalOptions } from '@flash-sale/shared/platform/errors.ts';
import { takeFromBucket, type BucketLimit } from './bucket.ts';
import { rateLimited } from './rate-limited.ts';

/**
 * Number of callers in memory. The one that has been inactive for longest is removed first, and
 * then has a full bucket again.
 */
const CALLERS_MAX = 100_000;

export interface CallerLimitOptions extends BucketLimit {
  /** The name of the limit in answers. */
  readonly policy: string;
}

/**
 * A token bucket per caller, in this process. It decides before any I/O, so that a flood costs only
 * the refusals. With several api processes a caller has a bucket in each.
 */
export class CallerLimit {
  readonly #options: CallerLimitOptions;
  /**
   * Made for the first caller that is charged: it is 2 MB, and most processes need none of some
   * limits.
   */
  #fullAtMs: LRUCache<string, number> | undefined;

  constructor(options: CallerLimitOptions) {
    this.#options = options;
  }

  /** Takes one from the bucket, or returns the options of the `rate_limited` refusal. */
  take(caller: string): RefusalOptions | undefined {
    const { fullAtMs, waitMs } = this.#bucketOf(caller);
    if (waitMs > 0) return this.#refusal(waitMs);
    this.#keep(caller, fullAtMs);
    return undefined;
  }

  /** Like `take`, without taking one: for calls that are charged only if they fail. */
  peek(caller: string): RefusalOptions | undefined {
    const { waitMs } = this.#bucketOf(caller);
    return waitMs > 0 ? this.#refusal(waitMs) : undefined;
  }

  /**
   * Takes one, even if none is left, for a call that passed `peek` and failed. If many of a
   * caller's calls fail at once, each of them counts, and the caller must wait longer afterwards.
   */
  charge(caller: string): void {
    this.#keep(caller, this.#bucketOf(caller).fullAtMs);
  }

  /** Gives back one that `take` has taken: the call was right. */
  giveBack(caller: string): void {
    const fullAtMs = this.#fullAtMs?.get(caller);
    if (fullAtMs !== undefined) this.#keep(caller, fullAtMs - 1_000 / this.#options.perSecond);
  }

  #refusal(waitMs: number): RefusalOptions {
    return rateLimited(this.#options.policy, this.#options, waitMs);
  }

  /** When the bucket is full again if one is taken now, and how long until one can be taken. */
  #bucketOf(caller: string): ReturnType<typeof takeFromBucket> {
    return takeFromBucket(this.#options, this.#fullAtMs?.get(caller) ?? 0, performance.now());
  }

  #keep(caller: string, fullAtMs: number): void {
    this.#fullAtMs ??= new LRUCache({ max: CALLERS_MAX });
    this.#fullAtMs.set(caller, fullAtMs);
  }
}
