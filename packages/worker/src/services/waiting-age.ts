/**
 * The age of the oldest waiting thing, for a gauge. After a clock was set back, the time of that
 * thing may be in the future. Its age then counts from when this process first saw it.
 */
export class WaitingAge {
  #aheadSinceMs: number | undefined;

  /**
   * @param ageMs the age by the clock of the server that has the time, negative if the time is in
   * the future; undefined if nothing waits
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
