import { AddressRanges, rangeOf, type AddressRange } from '../platform/address.ts';

export type DenyKind = 'user' | 'address';

/** Users and ranges of addresses that are refused until they expire. Looking one up takes the same few steps however many there are. */
export class DenySet {
  /** What is denied, and until when (ms since the epoch). */
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
