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
  readonly #fullAtMs = new LRUCache<string, number>({ max: CALLERS_MAX });

  constructor(options: AddressLimitOptions) {
    this.#options = options;
  }

  /** Takes one from the bucket, or returns the options of the `rate_limited` refusal. */
  take(address: string): RefusalOptions | undefined {
    return this.#decide(address, true);
  }

  /**
   * Like `take`, without taking one: for calls that take from the bucket only if they fail.
   */
  peek(address: string): RefusalOptions | undefined {
    return this.#decide(address, false);
  }

  #decide(address: string, takes: boolean): RefusalOptions | undefined {
    const { policy, exemptsLoopback = false } = this.#options;
    if (exemptsLoopback && isLoopback(address)) return undefined;
    const caller = callerOfAddress(address);
    const knownMs = this.#fullAtMs.get(caller) ?? 0;
    const { fullAtMs, waitMs } = takeFromBucket(this.#options, knownMs, performance.now());
    if (waitMs > 0) return rateLimited(policy, this.#options, waitMs);
    if (takes) this.#fullAtMs.set(caller, fullAtMs);
    return undefined;
  }
}
