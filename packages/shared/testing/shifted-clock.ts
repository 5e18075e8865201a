/**
 * Loaded before a process (`--import`): its own clock is off by `CLOCK_SHIFT_MS`, as that of a
 * machine which lost its NTP is. The steady clock, `performance.now()`, goes on as it was.
 */
const shiftMs = Number(process.env['CLOCK_SHIFT_MS']);
const RealDate = Date;

globalThis.Date = class extends RealDate {
  constructor(...given: [] | [number | string | Date]) {
    if (given.length === 0) super(RealDate.now() + shiftMs);
    else super(...given);
  }

  static override now(): number {
    return RealDate.now() + shiftMs;
  }
} as DateConstructor;
