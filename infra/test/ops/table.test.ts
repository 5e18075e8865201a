import { expect, test } from 'vitest';
import { fields, table } from '../../src/ops/table.ts';

test('numbers stand to the right, text to the left, and what is not known is a dash', () => {
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

test('nested fields stand under their path, a line each', () => {
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
