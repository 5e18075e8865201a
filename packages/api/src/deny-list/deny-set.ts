import { AddressRanges, rangeOf, type AddressRange } from '@flash-sale/shared/platform/address.ts';

export type DenyKind = 'user' | 'address';

/**
 * Users and address ranges that are denied until they expire. The cost of a lookup does not depend
 * on the number of entries.
 */
export class DenySet {
  /** User id → end of the denial (ms since the epoch). */
  readonly #users = new Map<string, number>();
  readonly #ranges: AddressRanges<number>;

  constructor(
    entries: Iterable<{ readonly kind: DenyKind; readonly value: string; readonly expires_at: Date | null }> = [],
  ) {
    const ranges: [AddressRange, number][] = [];
    for (const { kind, value, expires_at } of entries) {
      const expires_ms = expires_at?.getTime() ?? Infinity;
      if (kind === 'user') this.#users.set(value, expires_ms);
      else ranges.push([rangeOf(value)!, expires_ms]);
    }
    this.#ranges = new AddressRanges(ranges);
  }

  hasUser(userId: string, now_ms: number): boolean {
    return this.#users.size > 0 && (this.#users.get(userId) ?? 0) > now_ms;
  }

  hasAddress(address: string, now_ms: number): boolean {
    return this.#ranges.valuesOf(address).some((expires_ms) => expires_ms > now_ms);
  }
}
