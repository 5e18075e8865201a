/**
 * `npm run bench:compare -- a.json b.json [--tolerance 10]`: checks whether `b` is worse than `a`
 * by ratios, so that the two may come from different machines. Exits with code 1 if a ratio fell by
 * more than the tolerance (percent).
 */
import { option, readCommandLine, UsageError } from '@flash-sale/shared/platform/process/command-line.ts';
import { textTable } from '@flash-sale/shared/platform/process/text-table.ts';
import { compare, readResults } from './report/results.ts';

const TOLERANCE_PERCENT = 10;

const { values, args } = readCommandLine({
  usage: 'npm run bench:compare -- <before.json> <after.json> [options]',
  summary: 'Compares the ratios of two result files. Exit code 1: a ratio fell by more than the tolerance.',
  args: ['before.json', 'after.json'],
  options: { tolerance: option('<percent>', `how much a ratio may fall (default ${TOLERANCE_PERCENT})`, readPercent) },
});
const [before, after] = args as [string, string];
const tolerance = values.tolerance ?? TOLERANCE_PERCENT;
const rows = compare(readResults(before), readResults(after), tolerance);
const cells = rows.map(({ what, before: a, after: b, change_percent, isWorse }) => [
  what,
  a.toFixed(2),
  b.toFixed(2),
  `${change_percent >= 0 ? '+' : ''}${change_percent.toFixed(1)} %`,
  isWorse ? 'worse' : '',
]);
process.stdout.write(`${textTable([['ratio', 'before', 'after', 'change', ''], ...cells])}\n`);
const worse = rows.filter(({ isWorse }) => isWorse).length;
process.stdout.write(
  `${worse === 0 ? 'no ratio' : `${worse} of ${rows.length} ratios`} fell by more than ${tolerance} %\n`,
);
process.exitCode = worse === 0 && rows.length > 0 ? 0 : 1;

function readPercent(text: string, name: string): number {
  if (/^\d{1,3}(\.\d{1,3})?$/.test(text)) return Number(text);
  throw new UsageError(`${name} must be a percentage such as 10 or 2.5, not '${text}'`);
}
