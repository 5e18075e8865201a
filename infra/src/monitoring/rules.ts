import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const FOLDER = join(import.meta.dirname, '../../monitoring/prometheus/rules');

/** An alert of the rules. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
}

export function readAlerts(): Alert[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.yml'))
    .flatMap((file) => {
      const { groups } = parse(readFileSync(join(FOLDER, file), 'utf8')) as { groups: { rules: Alert[] }[] };
      return groups.flatMap(({ rules }) => rules.filter(({ alert }) => alert !== undefined));
    });
}

/** The metrics in an expression, each with its label selectors. */
export function selectorsOf(expr: string): string[] {
  const found = expr.match(/\b(?:seckill|nodejs|process)_\w+(?:\{[^}]*\})?|\bup(?:\{[^}]*\})?/g);
  return [...new Set(found)];
}

const UNIT_S: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600 };

/**
 * The seconds of series that are needed to decide an alert: the longest range in its expression,
 * plus its `for`.
 */
export function secondsOf({ expr, for: lasting = '0s' }: Alert): number {
  const ranges = [...expr.matchAll(/\[(\d+)([smh])\]/g)].map(([, count, unit]) => Number(count) * UNIT_S[unit!]!);
  const [, count, unit] = /^(\d+)([smh])$/.exec(lasting)!;
  return Math.max(0, ...ranges) + Number(count) * UNIT_S[unit!]!;
}
