import type { Violation } from './checker/record.ts';
import type { RoundResult } from './round.ts';

const EVIDENCE_MAX = 5;

/** One row of the final table: the results of a fault over all rounds. */
interface FaultRow {
  struck: number;
  counted: number;
  inFlight: number;
  recoveries_ms: number[];
  requests: number;
  accepted: number;
  orders: number;
  violations: number;
  allowedLosses: number;
}

const newRow = (): FaultRow => ({
  struck: 0,
  counted: 0,
  inFlight: 0,
  recoveries_ms: [],
  requests: 0,
  accepted: 0,
  orders: 0,
  violations: 0,
  allowedLosses: 0,
});

/** Collects the rounds and prints their results. */
export class Report {
  readonly #rows = new Map<string, FaultRow>();
  readonly #totals = { requests: 0, accepted: 0, orders: 0, violations: 0, allowedLosses: 0 };

  get violations(): number {
    return this.#totals.violations;
  }

  add({ record, requests, accepted, orders, violations, allowedLosses }: RoundResult): void {
    const sums = { requests, accepted, orders, violations: violations.length, allowedLosses };
    for (const key of Object.keys(sums) as (keyof typeof sums)[]) this.#totals[key] += sums[key];
    for (const {
      fault,
      struck_ms: struckMs,
      buys_in_flight: buysInFlight,
      units_left: unitsLeft,
      recovery_ms: recoveryMs,
    } of record.strikes) {
      const row = this.#rows.get(fault) ?? newRow();
      this.#rows.set(fault, row);
      row.struck += struckMs > 0 ? 1 : 0;
      row.counted += struckMs > 0 && buysInFlight > 0 && unitsLeft > 0 ? 1 : 0;
      row.inFlight += buysInFlight;
      if (recoveryMs !== null) row.recoveries_ms.push(recoveryMs);
      for (const key of Object.keys(sums) as (keyof typeof sums)[]) row[key] += sums[key];
    }
  }

  /** The table. A round with two faults counts in both rows. */
  table(faults: readonly string[]): string {
    const header = [
      'fault',
      'struck',
      'counted',
      'in flight',
      'requests',
      'accepted',
      'orders',
      'recovery s, median / worst',
      'violations',
      'allowed losses',
    ];
    const lines = faults.map((fault) => {
      const row = this.#rows.get(fault);
      if (row === undefined) return [fault, '0', '0', ...Array.from({ length: 7 }, () => '')];
      const { struck, counted, inFlight, requests, accepted, orders, violations, allowedLosses } = row;
      return [
        fault,
        struck,
        counted,
        inFlight,
        requests,
        accepted,
        orders,
        recoveryText(row.recoveries_ms),
        violations,
        allowedLosses,
      ].map(String);
    });
    const { requests, accepted, orders, violations, allowedLosses } = this.#totals;
    const total = ['all rounds', '', '', '', requests, accepted, orders, '', violations, allowedLosses].map(String);
    return aligned([header, ...lines, total]);
  }
}

function recoveryText(recoveriesMs: readonly number[]): string {
  const sorted = recoveriesMs.toSorted((a, b) => a - b);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  return middle === undefined ? 'never' : `${(middle / 1_000).toFixed(2)} / ${(sorted.at(-1)! / 1_000).toFixed(2)}`;
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
    .join('\n');
}

/** The first evidence for every broken promise. */
export function evidenceText(violations: readonly Violation[]): string {
  return [...Map.groupBy(violations, ({ promise }) => promise)]
    .map(([promise, found]) => {
      const shown = found.slice(0, EVIDENCE_MAX).map(({ evidence }) => `    ${evidence}`);
      const more = found.length > EVIDENCE_MAX ? [`    … and ${found.length - EVIDENCE_MAX} more`] : [];
      return [`  ${nameOf(promise)}:`, ...shown, ...more].join('\n');
    })
    .join('\n');
}

export function nameOf(promise: Violation['promise']): string {
  if (promise === 'contract') return 'the HTTP contract';
  return promise === 'money' ? 'the money' : `promise ${promise}`;
}
