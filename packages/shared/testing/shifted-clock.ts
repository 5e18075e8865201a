/**
 * Loaded before a process (`--import`): shifts its clock by `CLOCK_SHIFT_MS`, as on a machine
 * without NTP. The steady clock, `performance.now()`, does not change.
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
