import { expect, test } from 'vitest';
import { KnownTokens } from '../../src/seckill-token/known-tokens.ts';

const TOKENS_MAX = 8 * 65_536;
const claimOf = (i: number) => ({ userId: `u${i}`, saleId: 17 });

/** Tokens of one length, known in this order. */
function withTokens(count: number, userIdLength = 8): KnownTokens {
  const known = new KnownTokens();
  for (let i = 0; i < count; i += 1) {
    known.add(`token-${i}`, { ...claimOf(i), userId: `u${i}`.padEnd(userIdLength, '-') });
  }
  return known;
}

test('a token is still known after 400,000 others came', () => {
  const known = withTokens(400_000);
  expect(known.get('token-0')).toMatchObject({ saleId: 17 });
  expect(known.get('token-399999')).toMatchObject({ saleId: 17 });
});

test('the number of known tokens is limited, and the oldest are forgotten first', () => {
  const known = withTokens(TOKENS_MAX + 1);
  expect(known.get('token-0')).toBeUndefined();
  expect(known.get(`token-${TOKENS_MAX}`)).toBeDefined();
  const still = Array.from({ length: TOKENS_MAX + 1 }, (_, i) => i).filter(
    (i) => known.get(`token-${i}`) !== undefined,
  );
  expect(still.length).toBeLessThanOrEqual(TOKENS_MAX);
  expect(still.length).toBeGreaterThan(TOKENS_MAX - 65_536);
});

test('long shopper ids do not need more memory: fewer tokens are known then', () => {
  const known = withTokens(400_000, 255);
  expect(known.get('token-0')).toBeUndefined();
  expect(known.get('token-250000')).toBeDefined();
});

test('nothing is known after the secrets have changed', () => {
  const known = withTokens(100_000);
  known.clear();
  expect([0, 70_000, 99_999].map((i) => known.get(`token-${i}`))).toEqual([undefined, undefined, undefined]);
});
