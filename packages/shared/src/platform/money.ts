/**
 * The highest total of an order in cents, and so the highest price: Stripe charges at most eight
 * digits. It also keeps every sum of a sale a safe integer.
 *
 * @see https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
 */
export const TOTAL_CENTS_MAX = 99_999_999;

/**
 * Converts a price, a JSON number with at most two decimals, to integer cents. Undefined if it has
 * more decimals or is out of bounds. The digits come from the number's shortest decimal form, since
 * `19.99 * 100` is not 1999 in binary floating point.
 */
export function centsOfPrice(price: number): number | undefined {
  const match = /^(\d{1,9})(?:\.(\d{1,2}))?$/.exec(String(price));
  if (match === null) return undefined;
  const cents = Number(match[1]) * 100 + Number((match[2] ?? '').padEnd(2, '0'));
  return cents >= 1 && cents <= TOTAL_CENTS_MAX ? cents : undefined;
}

/** Converts integer cents to a JSON number. */
export function priceOfCents(cents: number): number {
  return cents / 100;
}
