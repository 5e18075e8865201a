import { LRUCache } from 'lru-cache';
import { callerOfAddress, isLoopback } from '@flash-sale/shared/platform/address.ts';
import { takeFromBucket, type BucketLimit } from './bucket.ts';
import type { RefusalOptions } from '@flash-sale/shared/platform/errors.ts';
import { rateLimited } from './rate-limited.ts';

/**
 * Number of callers in memory. The one that has been inactive for longest is removed first, and
 * then has a full bucket again.
 */
const CALLERS_MAX = 100_000;

export interface AddressLimitOptions extends BucketLimit {
  /** The name of the limit in answers. */
  readonly policy: string;
  /** Programs on this machine, such as a load test, have no limit. */
  readonly exemptsLoopback?: boolean;
}

/**
 * A token bucket per calling address, in this process. It decides before any I/O, so that a flood
 * costs only the refusals. With several api processes an address has a bucket in each.
 */
export class AddressLimit {
  readonly #options: AddressLimitOptions;
  /** Made for the first caller that is charged: it is 2 MB, and most processes need none of some limits. */
  #fullAtMs: LRUCache<string, number> | undefined;

  constructor(options: AddressLimitOptions) {
    this.#options = options;
  }

  /** Takes one from the bucket, or returns the options of the `rate_limited` refusal. */
  take(address: string): RefusalOptions | undefined {
    const bucket = this.#bucketOf(address);
    if (bucket.waitMs > 0) return rateLimited(this.#options.policy, this.#options, bucket.waitMs);
    this.#keep(bucket);
    return undefined;
  }

  /** Like `take`, without taking one: for calls that are charged only if they fail. */
  peek(address: string): RefusalOptions | undefined {
    const { waitMs } = this.#bucketOf(address);
    return waitMs > 0 ? rateLimited(this.#options.policy, this.#options, waitMs) : undefined;
  }

  /**
   * Takes one, even if none is left, for a call that passed `peek` and failed. If many of a caller's
   * calls fail at once, each of them counts, and the caller must wait longer afterwards.
   */
  charge(address: string): void {
    this.#keep(this.#bucketOf(address));
  }

  /** The caller's bucket, and when it is full again if one is taken now. Without a limit: no caller. */
  #bucketOf(address: string): { readonly caller?: string; readonly fullAtMs: number; readonly waitMs: number } {
    if (this.#options.exemptsLoopback === true && isLoopback(address)) return { fullAtMs: 0, waitMs: 0 };
    const caller = callerOfAddress(address);
    const knownMs = this.#fullAtMs?.get(caller) ?? 0;
    return { caller, ...takeFromBucket(this.#options, knownMs, performance.now()) };
  }

  #keep({ caller, fullAtMs }: { readonly caller?: string; readonly fullAtMs: number }): void {
    if (caller === undefined) return;
    this.#fullAtMs ??= new LRUCache({ max: CALLERS_MAX });
    this.#fullAtMs.set(caller, fullAtMs);
  }
}
