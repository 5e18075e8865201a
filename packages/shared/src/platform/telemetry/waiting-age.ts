/**
 * How long the oldest of some things has waited, for a gauge. A time from the future, which a clock
 * leaves that was set back, has no age by that clock: it counts from when it was first seen here.
 */
export class WaitingAge {
  #aheadSinceMs: number | undefined;

  /**
   * @param ageMs the age by the clock of the server that has the time, negative if the time is in the
   * future; undefined if nothing waits
   */
  ofMs(ageMs: number | undefined): number {
    if (ageMs === undefined || ageMs >= 0) {
      this.#aheadSinceMs = undefined;
      return ageMs ?? 0;
    }
    const seenMs = performance.now();
    this.#aheadSinceMs ??= seenMs;
    return seenMs - this.#aheadSinceMs;
  }
}
