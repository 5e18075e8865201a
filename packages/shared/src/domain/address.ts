/**
 * What counts as one caller: an IPv4 address, or the /64 of an IPv6 one, since whoever has one address of a /64 has them all. IPv4 in IPv6
 * (`::ffff:192.0.2.1`) is the IPv4 address. `address` is one that the system or a proxy check has parsed; other text stays as it is.
 */
export function callerOfAddress(address: string): string {
  const plain = plainAddress(address);
  return plain.includes(':') ? `${groupsOf(plain).slice(0, 4).join(':')}::/64` : plain;
}

/** An address without its zone, and as IPv4 where it is IPv4 in IPv6. */
export function plainAddress(address: string): string {
  const [text] = address.split('%', 1);
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text!)?.[1] ?? text!;
}

/** The eight groups of an IPv6 address, without leading zeros. */
function groupsOf(address: string): string[] {
  const [head = '', tail] = address.toLowerCase().split('::');
  const [first, last] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':')));
  // The last 32 bits may be written as IPv4; they are two groups, and never among the first four.
  const written = first!.length + last!.length + (address.includes('.') ? 1 : 0);
  const zeros = tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - written) }, () => '0');
  return [...first!, ...zeros, ...last!].map((group) => group.replace(/^0+(?=.)/, ''));
}
