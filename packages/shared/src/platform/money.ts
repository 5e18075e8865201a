/** The highest price, in cents: keeps every sum of a sale inside a safe integer. */
export const PRICE_CENTS_MAX = 1_000_000_000;

/**
 * Integer cents of a price given as a JSON number with at most two decimals, or undefined where it has more
 * decimals or is out of bounds. The decimals are read off the number's shortest decimal form, since
 * `19.99 * 100` is not 1999 in binary floating point.
 */
export function centsOfPrice(price: number): number | undefined {
  const match = /^(\d{1,9})(?:\.(\d{1,2}))?$/.exec(String(price));
  if (match === null) return undefined;
  const cents = Number(match[1]) * 100 + Number((match[2] ?? '').padEnd(2, '0'));
  return cents >= 1 && cents <= PRICE_CENTS_MAX ? cents : undefined;
}

/** The JSON number for integer cents. */
export function priceOfCents(cents: number): number {
  return cents / 100;
}
