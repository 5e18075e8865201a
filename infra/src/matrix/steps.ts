import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '@flash-sale/shared/platform/process/command-line.ts';

export const STEPS = ['tests', 'chaos', 'drill'] as const;
export type Step = (typeof STEPS)[number];

/** @throws UsageError if a step is unknown */
export function stepsOf(typed: string): Step[] {
  return typed.split(',').map((name) => {
    const found = STEPS.find((step) => step === name.trim());
    if (found === undefined) throw new UsageError(`There is no step '${name}'; the steps are ${STEPS.join(', ')}`);
    return found;
  });
}

/** What became of a step. */
export interface Outcome {
  readonly isGood: boolean;
  /** For the table. */
  readonly text: string;
  /** The names of failed tests. */
  readonly failures: readonly string[];
}

export interface StepOptions {
  /** The test files to run. */
  readonly tests: readonly string[];
  readonly isQuick: boolean;
  /** The folder for files of the step. */
  readonly folder: string;
}

const reportPath = (folder: string): string => join(folder, 'tests.json');

/** The arguments for Node.js, in the root of the repository. */
export function argumentsOf(step: Step, { tests, isQuick, folder }: StepOptions): string[] {
  if (step === 'chaos') return ['bench/chaos/main.ts', '--seed', '4', '--rounds', isQuick ? '2' : '4'];
  if (step === 'drill') return ['bench/drill/restore.ts'];
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportPath(folder)}`];
  return ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...tests];
}

/** In a quick run: the tests of ledger and scripts, where servers differ most. */
export const isQuickTest = (path: string): boolean => /^packages\/(?:shared|worker)\//.test(path);

/** What became of a step that has ended. */
export function outcomeOf(step: Step, code: number | null, folder: string): Outcome {
  if (step !== 'tests') return { isGood: code === 0, text: code === 0 ? 'ok' : `exit code ${code}`, failures: [] };
  const report = readReport(folder);
  if (report === undefined) return { isGood: false, text: `exit code ${code}, no report`, failures: [] };
  return testOutcome(report, code);
}

/** The part of Vitest's report that is read. */
export interface TestReport {
  readonly numPassedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

function readReport(folder: string): TestReport | undefined {
  try {
    return JSON.parse(readFileSync(reportPath(folder), 'utf8')) as TestReport;
  } catch {
    return undefined;
  }
}

export function testOutcome(
  { numPassedTests, numPendingTests, testResults }: TestReport,
  code: number | null,
): Outcome {
  const failures = testResults.flatMap(({ name, status, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed').map(({ fullName }) => fullName);
    // A file that cannot be loaded has no test that failed.
    const named = failed.length === 0 && status === 'failed' ? ['the file itself'] : failed;
    return named.map((test) => `${name}: ${test}`);
  });
  const counts = [
    `${numPassedTests} passed`,
    ...(failures.length > 0 ? [`${failures.length} failed`] : []),
    ...(numPendingTests > 0 ? [`${numPendingTests} skipped`] : []),
    // Such as an error that no test has caught.
    ...(code !== 0 && failures.length === 0 ? [`exit code ${code}`] : []),
  ];
  return { isGood: code === 0 && failures.length === 0, text: counts.join(', '), failures };
}
