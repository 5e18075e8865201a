import { AddressRanges, rangeOf } from '@flash-sale/shared/platform/address.ts';

/**
 * Whether an address is a trusted proxy. Text that is no address is never trusted, so the address
 * that it names is not trusted either.
 */
export function trusts(proxies: string): (address: string | undefined) => boolean {
  const ranges = new AddressRanges(proxies.split(',').map((text) => [rangeOf(text)!, true]));
  return (address) => address !== undefined && ranges.valuesOf(address).length > 0;
}
