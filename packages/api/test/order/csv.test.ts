import { describe, expect, test } from 'vitest';
import { csvLine } from '../../src/order/csv.ts';

describe('a line of CSV', () => {
  test.each([
    ['=1+1', "'=1+1"],
    ['+1', "'+1"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\tx', "'\tx"],
    ['=HYPERLINK("http://evil","x"),1', `"'=HYPERLINK(""http://evil"",""x""),1"`],
  ])('is never run by a spreadsheet: %j', (typed, written) => {
    expect(csvLine([typed])).toBe(`${written}\r\n`);
  });

  test('keeps commas, quotes and line breaks inside one cell', () => {
    expect(csvLine(['a,b', 'c"d', 'e\r\nf', 'plain', 7, null])).toBe('"a,b","c""d","e\r\nf",plain,7,\r\n');
  });
});
