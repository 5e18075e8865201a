import { expect, test } from 'vitest';
import { KnownTokens } from '../../src/seckill-token/known-tokens.ts';

const LIMITS = { generationTokens: 100, generationCharacters: 100 * 30, generations: 4 };

/** Tokens that became known in this order; without `limits`, those of the service. */
function withTokens(count: number, limits?: typeof LIMITS, userIdLength = 8): KnownTokens {
  const known = new KnownTokens(limits);
  for (let i = 0; i < count; i += 1) {
    known.add(`token-${i}`, { userId: `u${i}`.padEnd(userIdLength, '-'), saleId: 17 });
  }
  return known;
}

const knownOf = (known: KnownTokens, count: number): number[] =>
  Array.from({ length: count }, (_, i) => i).filter((i) => known.get(`token-${i}`) !== undefined);

test('a token is still known after 200,000 others came', () => {
  const known = withTokens(200_001);
  expect(known.get('token-0')).toEqual({ userId: 'u0------', saleId: 17 });
  expect(known.get('token-200000')).toBeDefined();
});

test('the number of known tokens is limited, and the oldest are forgotten first', () => {
  for (const count of [1_000, 1_001, 1_099]) {
    const still = knownOf(withTokens(count, LIMITS), count);
    expect(still.length).toBeGreaterThanOrEqual(300);
    expect(still.length).toBeLessThanOrEqual(400);
    expect(still).toEqual(Array.from(still, (_, i) => count - still.length + i));
  }
});

test('long shopper ids do not need more memory: fewer tokens are known then', () => {
  // 100 + 8 or 9 characters each: 28 of them fill a generation.
  const still = knownOf(withTokens(1_000, LIMITS, 100), 1_000);
  expect(still.length).toBeLessThanOrEqual(4 * 28);
  expect(still.at(-1)).toBe(999);
});

test('nothing is known after the secrets have changed', () => {
  const known = withTokens(350, LIMITS);
  known.clear();
  expect(knownOf(known, 350)).toEqual([]);
});
