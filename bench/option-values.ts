import { UsageError } from '@flash-sale/shared/platform/process/command-line.ts';

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** Parses a time such as `90s`. */
export function durationMs(typed: string, name: string): number {
  const found = /^(\d{1,5})([smh])$/.exec(typed);
  if (found === null) throw new UsageError(`${name} takes a time such as 90s or 10m, not '${typed}'`);
  return Number(found[1]) * UNITS_MS[found[2] as keyof typeof UNITS_MS];
}

/** Parses a share of the shoppers. */
export function share(typed: string, name: string): number {
  if (/^(0|1|[01]?\.\d{1,4})$/.test(typed) && Number(typed) <= 1) return Number(typed);
  throw new UsageError(`${name} takes a share from 0 to 1 such as 0.25, not '${typed}'`);
}
