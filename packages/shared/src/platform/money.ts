/** The highest price in cents. It keeps every sum of a sale a safe integer. */
export const PRICE_CENTS_MAX = 1_000_000_000;

/**
 * Converts a price, a JSON number with at most two decimals, to integer cents. Undefined if it has
 * more decimals or is out of bounds. The digits come from the number's shortest decimal form, since
 * `19.99 * 100` is not 1999 in binary floating point.
 */
export function centsOfPrice(price: number): number | undefined {
  const match = /^(\d{1,9})(?:\.(\d{1,2}))?$/.exec(String(price));
  if (match === null) return undefined;
  const cents = Number(match[1]) * 100 + Number((match[2] ?? '').padEnd(2, '0'));
  return cents >= 1 && cents <= PRICE_CENTS_MAX ? cents : undefined;
}

/** Converts integer cents to a JSON number. */
export function priceOfCents(cents: number): number {
  return cents / 100;
}
