import { isIP } from 'node:net';

/**
 * What counts as one caller: an IPv4 address, or the /64 of an IPv6 one, since whoever has one address of a /64 has them all. IPv4 in IPv6
 * (`::ffff:192.0.2.1`) is the IPv4 address. `address` is one that the system or a proxy check has parsed; other text stays as it is.
 */
export function callerOfAddress(address: string): string {
  const plain = plainAddress(address);
  return plain.includes(':') ? `${groupsOf(plain).slice(0, 4).join(':')}::/64` : plain;
}

/** Whether the address is this machine's own. */
export function isLoopback(address: string): boolean {
  const plain = plainAddress(address);
  return plain === '::1' || plain.startsWith('127.');
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

/** A range of addresses, as it is written and as bits. */
export interface AddressRange {
  /** CIDR, in its one canonical spelling. */
  readonly cidr: string;
  /** What the bits of its addresses begin with. */
  readonly bits: string;
}

/**
 * Reads an address or a CIDR; bits beyond the prefix are dropped. Undefined where it is neither, or wider than any caller can be: an IPv4 prefix
 * below 8 or an IPv6 one below 16 bits.
 */
export function rangeOf(text: string): AddressRange | undefined {
  const [address = '', prefix, ...more] = text.split('/');
  const plain = plainAddress(address);
  const family = isIP(plain);
  if (family === 0 || more.length > 0 || address.includes('%')) return undefined;
  const [prefix_min, prefix_max] = family === 4 ? [8, 32] : [16, 128];
  if (prefix !== undefined && !/^[1-9]\d{0,2}$/.test(prefix)) return undefined;
  // Of an IPv4 address that is written as an IPv6 one, so is the prefix.
  const length = prefix === undefined ? prefix_max : Number(prefix) - (plain === address ? 0 : 96);
  if (length < prefix_min || length > prefix_max) return undefined;
  const bits = bitsOf(plain).slice(0, length + FAMILY_LENGTH);
  return { cidr: `${textOf(bits)}/${length}`, bits };
}

const FAMILY_LENGTH = 1;

/** An address as text of its family's digit and its bits: an address is in a range if it begins with the range's bits. */
export function bitsOf(address: string): string {
  const plain = plainAddress(address);
  if (!plain.includes(':'))
    return `4${plain
      .split('.')
      .map((part) => binary(Number(part), 8))
      .join('')}`;
  const groups = groupsOf(plain).flatMap((group) => {
    if (!group.includes('.')) return [binary(parseInt(group, 16), 16)];
    return group.split('.').map((part) => binary(Number(part), 8));
  });
  return `6${groups.join('')}`;
}

const binary = (value: number, length: number): string => value.toString(2).padStart(length, '0');

/** The lowest address that begins with these bits. */
function textOf(bits: string): string {
  const rest = bits.slice(FAMILY_LENGTH);
  if (bits.startsWith('4'))
    return rest
      .padEnd(32, '0')
      .match(/.{8}/g)!
      .map((byte) => parseInt(byte, 2))
      .join('.');
  const groups = rest
    .padEnd(128, '0')
    .match(/.{16}/g)!
    .map((group) => parseInt(group, 2).toString(16));
  // The URL standard writes an IPv6 address in its one canonical form (RFC 5952).
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
