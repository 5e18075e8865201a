import stringWidth from 'string-width';
import { expect, test } from 'vitest';
import { fields, table } from '../../src/ops/table.ts';

test('numbers are aligned to the right, text to the left, and an unknown value is a dash', () => {
  const rows = [
    { name: 'a', count: 5 },
    { name: 'longer', count: 1_000 },
    { name: 'c', count: null },
  ];
  const text = table(rows, [
    ['name', ({ name }) => name],
    ['n', ({ count }) => count],
  ]);
  expect(text.split('\n')).toEqual(['name       n', 'a          5', 'longer  1000', 'c          -']);
});

test('an empty list says so', () => {
  expect(table([], [['name', () => '']])).toBe('none');
});

test('nested fields have a line each, under their path', () => {
  const text = fields({ id: 7, requests: { accepted: 2 }, findings: ['one', 'two'], history: [{ to: 'paid' }] });
  expect(text.split('\n')).toEqual([
    'id                 7',
    'requests.accepted  2',
    'findings.1         one',
    'findings.2         two',
    'history.1          {"to":"paid"}',
  ]);
});

test('control characters never reach the terminal', () => {
  expect(table([{ name: 'a\u001b[31mred\nline' }], [['name', ({ name }) => name]])).toBe('name\na [31mred line');
  expect(fields({ name: 'a\u0007b' })).toBe('name  a b');
});

test('a Chinese name takes two columns for each character, and shifts nothing', () => {
  const rows = [
    { name: '张伟', count: 5 },
    { name: 'e\u0301te\u0301', count: 1_000 },
    { name: '👩‍👩‍👧 sale', count: 7 },
  ];
  const text = table(rows, [
    ['name', ({ name }) => name],
    ['n', ({ count }) => count],
  ]);
  expect(text.split('\n').map((line) => stringWidth(line))).toEqual([13, 13, 13, 13]);
});

test('a long name is cut to the width of the terminal, and no number with it', () => {
  const rows = [
    { name: '抢'.repeat(90), count: 123_456_789 },
    { name: 'short', count: 1 },
  ];
  const lines = table(
    rows,
    [
      ['sale', () => 'id', undefined],
      ['name', ({ name }) => name, 'cut'],
      ['units', ({ count }) => count],
    ],
    40,
  ).split('\n');
  expect(lines.map((line) => stringWidth(line)).filter((width) => width > 40)).toEqual([]);
  expect(lines[1]).toMatch(/^id {4}抢+… +123456789$/);
  expect(lines[2]).toMatch(/^id {4}short +1$/);
  // If no column can be cut further, the line is cut.
  const narrow = table(
    rows,
    [
      ['name', ({ name }) => name, 'cut'],
      ['units', ({ count }) => count],
    ],
    10,
  );
  expect(
    narrow
      .split('\n')
      .map((line) => stringWidth(line))
      .filter((width) => width > 10),
  ).toEqual([]);
});

test('characters that change the direction of text never reach the terminal', () => {
  expect(fields({ name: 'a\u202Eb\u2028c' })).toBe('name  a b c');
});
