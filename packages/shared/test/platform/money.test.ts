import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { centsOfPrice, TOTAL_CENTS_MAX, priceOfCents } from '../../src/platform/money.ts';

describe('money', () => {
  test('every number of cents is the same after the conversion to JSON and back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: TOTAL_CENTS_MAX }), (cents) => {
        const json = JSON.stringify(priceOfCents(cents));
        expect(json).toMatch(/^\d+(\.\d{1,2})?$/);
        expect(centsOfPrice(JSON.parse(json) as number)).toBe(cents);
      }),
    );
  });

  test('every price below 1,000.00 is the same after both conversions', () => {
    const all = Array.from({ length: 99_999 }, (_, i) => i + 1);
    expect(all.filter((cents) => centsOfPrice(priceOfCents(cents)) !== cents)).toEqual([]);
  });

  test.each([
    [0.01, 1],
    [0.1, 10],
    [1, 100],
    [19.99, 1_999],
    [1.1, 110],
    [4.35, 435],
    [1.005e3, 100_500],
    [999_999.99, TOTAL_CENTS_MAX],
  ])('%d is %i cents', (price, cents) => {
    expect(centsOfPrice(price)).toBe(cents);
  });

  test.each([
    ['a third decimal', 19.999],
    ['what binary floating point makes of 0.1 + 0.2', 0.1 + 0.2],
    ['half a cent', 0.005],
    ['less than a cent in exponent form', 1e-7],
    ['nothing', 0],
    ['minus zero', -0],
    ['a negative price', -1],
    ['a negative price with decimals', -19.99],
    ['more than the highest price', 1_000_000],
    ['nine digits', 100_000_000],
    ['a huge number', 1e21],
    ['the largest number', Number.MAX_VALUE],
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
  ])('%s is no price', (_, price) => {
    expect(centsOfPrice(price)).toBeUndefined();
  });

  test('a price is a whole number of cents within bounds, or is refused', () => {
    fc.assert(
      fc.property(fc.double(), (price) => {
        const cents = centsOfPrice(price);
        const whole =
          Number.isInteger(cents) && cents! >= 1 && cents! <= TOTAL_CENTS_MAX && priceOfCents(cents!) === price;
        expect(cents === undefined || whole).toBe(true);
      }),
    );
  });
});
