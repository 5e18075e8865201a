/** `Date` headers tell whole seconds. */
const DATE_STEP_MS = 1_000;

/**
 * The service's time, whatever the clock of the device says. Each answer has a `Date`, which is
 * true for some moment between the call and the answer, and bounds the difference between the two
 * clocks. The bounds of several answers together leave a few milliseconds.
 */
export class ServerClock {
  readonly #localNow: () => number;
  #leastMs = -Infinity;
  #mostMs = Infinity;

  /** `localNow` must never jump, unlike `Date.now`. */
  constructor(localNow: () => number = () => performance.now()) {
    this.#localNow = localNow;
  }

  /** The local time, to note before a call. */
  local(): number {
    return this.#localNow();
  }

  /** Takes the `Date` of an answer to a call that was sent at the local time `sentMs`. */
  learn(date: string | null, sentMs: number): void {
    const serverMs = Date.parse(date ?? '');
    if (Number.isNaN(serverMs)) return;
    const least = serverMs - this.#localNow();
    const most = serverMs + DATE_STEP_MS - sentMs;
    // One of the two clocks has stood still or was set: what was known before is no longer true.
    const isNew = least > this.#mostMs || most < this.#leastMs;
    this.#leastMs = isNew ? least : Math.max(least, this.#leastMs);
    this.#mostMs = isNew ? most : Math.min(most, this.#mostMs);
  }

  /** Whether an answer has arrived yet. */
  get isKnown(): boolean {
    return this.#mostMs !== Infinity;
  }

  /**
   * The service's time in milliseconds since the epoch; the device's until an answer has arrived.
   */
  now(): number {
    if (!this.isKnown) return Date.now();
    return this.#localNow() + (this.#leastMs + this.#mostMs) / 2;
  }
}
