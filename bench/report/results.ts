import { readFileSync } from 'node:fs';
import { UsageError } from '@flash-sale/shared/platform/process/command-line.ts';
import { median } from '../load/statistics.ts';
import type { Figures } from '../scenarios/scenario.ts';
import { RATIOS, type Ratio } from './targets.ts';

/** The results of a run: every repetition's figures, and their conditions. */
export interface ResultsJson {
  readonly format: 1;
  /** ISO-8601, UTC. */
  readonly date: string;
  readonly mode: 'full' | 'quick' | 'url';
  readonly took_s: number;
  readonly commit: string;
  readonly machine: MachineJson;
  /** Settings of the service that differ from its defaults. */
  readonly settings: Readonly<Record<string, string>>;
  readonly usual: { readonly concurrency: number; readonly tried: Readonly<Record<string, number>> };
  readonly repetitions: readonly Figures[];
  /**
   * Scenarios whose figures were dropped, with the reason: conservation did not hold, or answers
   * were not as expected.
   */
  readonly broken: readonly { readonly scenario: string; readonly finding: string }[];
}

export interface MachineJson {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_gb: number;
  readonly system: string;
  readonly versions: Readonly<Record<string, string>>;
  /** The load of the machine before the run. Above a few tenths, something else was running. */
  readonly load_before: number;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @throws UsageError if the file cannot be read, or is no result file of this version */
export function readResults(path: string): ResultsJson {
  const results = contentOf(path) as ResultsJson | null;
  if (results?.format !== 1) throw new UsageError(`${path} is not a result file of this version`);
  return results;
}

function contentOf(path: string): unknown {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  try {
    return JSON.parse(content);
  } catch {
    throw new UsageError(`${path} is not JSON`);
  }
}

function spreadOf(values: readonly number[]): Spread | undefined {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return undefined;
  return { median: median(finite), min: Math.min(...finite), max: Math.max(...finite) };
}

/** One figure over all repetitions that have it. */
export function figure({ repetitions }: ResultsJson, name: string): Spread | undefined {
  return spreadOf(repetitions.map((figures) => figures[name] ?? Number.NaN));
}

/**
 * A ratio over all repetitions, computed within each of them: a temporary disturbance of the
 * machine affects both figures.
 */
export function ratio({ repetitions }: ResultsJson, { of, to }: Pick<Ratio, 'of' | 'to'>): Spread | undefined {
  return spreadOf(repetitions.map((figures) => (figures[of] ?? Number.NaN) / (figures[to] ?? Number.NaN)));
}

/** Every figure of any repetition, in the order of measurement. */
export function figureNames({ repetitions }: ResultsJson): string[] {
  return [...new Set(repetitions.flatMap((figures) => Object.keys(figures)))];
}

export interface Comparison {
  readonly what: string;
  readonly before: number;
  readonly after: number;
  readonly changePercent: number;
  readonly isWorse: boolean;
}

/**
 * The ratios of two runs side by side. A rate is worse if it fell, and a cost if it rose, by more
 * than the tolerance.
 */
export function compare(before: ResultsJson, after: ResultsJson, tolerancePercent: number): Comparison[] {
  return RATIOS.flatMap((pair) => {
    const [a, b] = [ratio(before, pair), ratio(after, pair)];
    if (a === undefined || b === undefined) return [];
    const changePercent = (b.median / a.median - 1) * 100;
    const isWorse = (pair.isCost === true ? -changePercent : changePercent) < -tolerancePercent;
    return [{ what: pair.what, before: a.median, after: b.median, changePercent: changePercent, isWorse }];
  });
}
