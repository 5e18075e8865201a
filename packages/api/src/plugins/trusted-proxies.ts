import { AddressRanges, rangeOf } from '@flash-sale/shared/platform/address.ts';

/** Whether an address is a proxy whose headers are believed. What is no address is not, so what it names is not believed either. */
export function trusts(proxies: string): (address: string | undefined) => boolean {
  const ranges = new AddressRanges(proxies.split(',').map((text) => [rangeOf(text)!, true]));
  return (address) => address !== undefined && ranges.valuesOf(address).length > 0;
}
