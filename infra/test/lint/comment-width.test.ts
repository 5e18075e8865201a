import { expect, test } from 'vitest';
import { lint } from './lint.ts';

const WIDE = 'x'.repeat(98);
/** The lines that the rule reports in this source. */
const linesIn = (source: string): number[] =>
  [...lint(source, 'comment-width').matchAll(/^source\.ts:(\d+):.*100 columns/gm)].map(([, line]) => Number(line));

test.each([
  ['a comment of one line', `\n// ${WIDE}`, [2]],
  ['each line of a block', `/**\n * ${WIDE}\n * short\n * ${WIDE}\n */`, [2, 4]],
  ['a comment after code', `const a = '${'x'.repeat(80)}'; // a comment`, [1]],
])('the rule reports %s that is wider than 100 columns', (_, source, lines) => {
  expect(linesIn(source)).toEqual(lines);
});

test.each([
  ['a comment of 100 columns', `// ${WIDE.slice(1)}`],
  ['wider code', `const a = '${WIDE}';`],
  ['an address', `// https://example.com/${WIDE}`],
])('the rule allows %s', (_, source) => {
  expect(linesIn(source)).toEqual([]);
});
