/**
 * `npm run bench:compare -- a.json b.json [--tolerance 10]`: whether `b` is worse than `a`, by ratios, so that the two may come from
 * different machines. Exit code 1 where one fell by more than the tolerance (percent).
 */
import { parseArgs } from 'node:util';
import { compare, readResults } from './report/results.ts';
import { textTable } from './report/text-table.ts';

const TOLERANCE_PERCENT = 10;

const { values, positionals } = parseArgs({ options: { tolerance: { type: 'string' } }, allowPositionals: true });
const [before, after] = positionals;
const tolerance = Number(values.tolerance ?? TOLERANCE_PERCENT);
if (before === undefined || after === undefined || positionals.length > 2 || !(tolerance >= 0)) {
  process.stderr.write('npm run bench:compare -- before.json after.json [--tolerance PERCENT]\n');
  process.exit(2);
}
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
