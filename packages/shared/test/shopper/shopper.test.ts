import { describe, expect, test } from 'vitest';
import { USER_ID_PATTERN } from '../../src/shopper/shopper.ts';

const valid = (userId: string): boolean => new RegExp(USER_ID_PATTERN).test(userId);

describe('a shopper’s id', () => {
  test.each([
    'u',
    'u1',
    'U1',
    '12345',
    'a@b.example',
    "'; DROP TABLE orders; --".replaceAll(' ', ''),
    '{0}',
    '#1',
    '%s',
  ])('%s is one', (userId) => {
    expect(valid(userId)).toBe(true);
  });

  test('is at most 255 characters', () => {
    expect(valid('u'.repeat(255))).toBe(true);
    expect(valid('u'.repeat(256))).toBe(false);
  });

  test.each(['', ' ', 'u1 ', ' u1', 'u 1', 'ú1', 'u1\n', 'u1\0', 'u\t1', 'ｕ1', '\u200Bu1', '😀', '\x7f'])(
    '%j is none, since one server could take it for another shopper',
    (userId) => {
      expect(valid(userId)).toBe(false);
    },
  );
});
