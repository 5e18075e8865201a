import { LRUCache } from 'lru-cache';
import { callerOfAddress } from '@flash-sale/shared/domain/address.ts';
import { takeFromBucket, type BucketLimit } from '@flash-sale/shared/domain/bucket.ts';

/** Callers remembered at once. The one not seen for longest is forgotten first, and so has a full bucket again. */
const CALLERS_MAX = 100_000;

/**
 * A token bucket per calling address, in this process: decided before any I/O, so that a flood costs nothing but the refusal. With several api
 * processes an address has a bucket in each.
 */
export class AddressBuckets {
  readonly #limit: BucketLimit;
  readonly #now: () => number;
  readonly #full_at_ms = new LRUCache<string, number>({ max: CALLERS_MAX });

  constructor(limit: BucketLimit, now: () => number = () => performance.now()) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Takes one; ms until there is one, 0 where it was had. */
  take(address: string): number {
    const caller = callerOfAddress(address);
    const { full_at_ms, wait_ms } = takeFromBucket(this.#limit, this.#full_at_ms.get(caller) ?? 0, this.#now());
    if (wait_ms === 0) this.#full_at_ms.set(caller, full_at_ms);
    return wait_ms;
  }

  /** Ms until there is one to take. */
  waitOf(address: string): number {
    return takeFromBucket(this.#limit, this.#full_at_ms.get(callerOfAddress(address)) ?? 0, this.#now()).wait_ms;
  }
}
