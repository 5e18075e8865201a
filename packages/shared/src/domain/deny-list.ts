import { bitsOf, rangeOf } from './address.ts';

export type DenyKind = 'user' | 'address';

/** Users and ranges of addresses that are refused until they expire. Looking one up takes the same few steps however many there are. */
export class DenySet {
  /** What is denied, and until when (ms since the epoch). */
  readonly #users = new Map<string, number>();
  readonly #ranges = new Map<string, number>();
  /** Lengths that ranges have, as bits. */
  readonly #lengths: readonly number[];

  constructor(
    entries: Iterable<{ readonly kind: DenyKind; readonly value: string; readonly expires_at: Date | null }> = [],
  ) {
    for (const { kind, value, expires_at } of entries) {
      const expires_ms = expires_at?.getTime() ?? Infinity;
      if (kind === 'user') this.#users.set(value, expires_ms);
      else this.#ranges.set(rangeOf(value)!.bits, expires_ms);
    }
    this.#lengths = [...new Set([...this.#ranges.keys()].map(({ length }) => length))];
  }

  hasUser(userId: string, now_ms: number): boolean {
    return this.#users.size > 0 && (this.#users.get(userId) ?? 0) > now_ms;
  }

  hasAddress(address: string, now_ms: number): boolean {
    if (this.#lengths.length === 0) return false;
    const bits = bitsOf(address);
    return this.#lengths.some((length) => (this.#ranges.get(bits.slice(0, length)) ?? 0) > now_ms);
  }
}
