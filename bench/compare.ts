/**
 * `npm run bench:compare -- a.json b.json [--tolerance 10]`: checks whether `b` is worse than `a`
 * by ratios, so that the two may come from different machines. Exits with code 1 if a ratio got
 * worse by more than the tolerance (percent).
 */
import {
  exitWithUsage,
  flag,
  option,
  readCommandLine,
  UsageError,
} from '@flash-sale/shared/platform/process/command-line.ts';
import { textTable } from '@flash-sale/shared/platform/process/text-table.ts';
import { compare, readResults, type Comparison } from './report/results.ts';

const TOLERANCE_PERCENT = 10;

const USAGE = 'npm run bench:compare -- <before.json> <after.json> [options]';

const { values, args } = await readCommandLine({
  usage: USAGE,
  summary: 'Compares the ratios of two result files. Exit code 1: a ratio got worse by more than the tolerance.',
  args: ['before.json', 'after.json'],
  options: {
    tolerance: option('<percent>', `how much a ratio may get worse (default ${TOLERANCE_PERCENT})`, readPercent),
    json: flag('the comparison as one JSON document'),
  },
});
const tolerance = values.tolerance ?? TOLERANCE_PERCENT;
const rows = await compareFiles(args as [string, string]);
const worse = rows.filter(({ isWorse }) => isWorse).length;
process.stdout.write(values.json ? documentOf(rows) : textOf(rows));
process.exitCode = worse === 0 && rows.length > 0 ? 0 : 1;

async function compareFiles([before, after]: readonly [string, string]): Promise<Comparison[]> {
  try {
    return compare(readResults(before), readResults(after), tolerance);
  } catch (error) {
    if (error instanceof UsageError) return exitWithUsage(error, USAGE);
    throw error;
  }
}

function documentOf(ratios: readonly Comparison[]): string {
  const listed = ratios.map(({ what, before, after, changePercent, isWorse }) => ({
    ratio: what,
    before,
    after,
    change_percent: changePercent,
    worse: isWorse,
  }));
  return `${JSON.stringify({ tolerance_percent: tolerance, worse, ratios: listed }, null, 2)}\n`;
}

function textOf(ratios: readonly Comparison[]): string {
  const cells = ratios.map(({ what, before, after, changePercent, isWorse }) => [
    what,
    before.toFixed(2),
    after.toFixed(2),
    `${changePercent >= 0 ? '+' : ''}${changePercent.toFixed(1)} %`,
    isWorse ? 'worse' : '',
  ]);
  const table = textTable([['ratio', 'before', 'after', 'change', ''], ...cells]);
  const summary = worse === 0 ? 'no ratio' : `${worse} of ${ratios.length} ratios`;
  return `${table}\n${summary} got worse by more than ${tolerance} %\n`;
}

function readPercent(text: string, name: string): number {
  if (/^\d{1,3}(\.\d{1,3})?$/.test(text)) return Number(text);
  throw new UsageError(`${name} must be a percentage such as 10 or 2.5, not '${text}'`);
}
