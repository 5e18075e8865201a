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
  /** Whether there is any address range. */
  readonly hasRanges: boolean;

  constructor(
    entries: Iterable<{ readonly kind: DenyKind; readonly value: string; readonly expiresAt: Date | null }> = [],
  ) {
    const ranges: [AddressRange, number][] = [];
    for (const { kind, value, expiresAt } of entries) {
      const expiresMs = expiresAt?.getTime() ?? Infinity;
      if (kind === 'user') this.#users.set(value, expiresMs);
      else ranges.push([rangeOf(value)!, expiresMs]);
    }
    this.#ranges = new AddressRanges(ranges);
    this.hasRanges = ranges.length > 0;
  }

  hasUser(userId: string, nowMs: number): boolean {
    return this.#users.size > 0 && (this.#users.get(userId) ?? 0) > nowMs;
  }

  hasAddress(address: string, nowMs: number): boolean {
    return this.#ranges.valuesOf(address).some((expiresMs) => expiresMs > nowMs);
  }
}
