import { expect, test } from 'vitest';
import { readOptions } from '../options.ts';

test('a quick run ends before a minute and a half, a full one before ten minutes', () => {
  expect(readOptions(['--quick'])).toMatchObject({ mode: 'quick', limitMs: 85_000 });
  expect(readOptions([])).toMatchObject({ mode: 'full', limitMs: 590_000 });
});

test('a soak takes a time with its unit', () => {
  expect(readOptions(['--soak', '10m'])).toMatchObject({ mode: 'soak', soakMs: 600_000 });
  expect(() => readOptions(['--soak', 'long'])).toThrow("--soak takes a time such as 90s or 10m, not 'long'");
});

test('two kinds of run at once, and an unknown option, are refused', () => {
  expect(() => readOptions(['--quick', '--growth'])).toThrow('different runs');
  expect(() => readOptions(['--fast'])).toThrow('Unknown option --fast');
});

test('a part of a growth run is chosen by its name', () => {
  expect(readOptions(['--growth'])).toMatchObject({ mode: 'growth', growthOf: undefined });
  expect(readOptions(['--growth-of', 'memory'])).toMatchObject({ mode: 'growth', growthOf: 'memory' });
  expect(() => readOptions(['--quick', '--growth-of', 'memory'])).toThrow('different runs');
});
