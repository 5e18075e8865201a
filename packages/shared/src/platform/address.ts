import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { LRUCache } from 'lru-cache';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Texts whose parsing is remembered: parsing takes microseconds, and a busy caller or proxy is met in every request. */
const PARSED_MAX = 20_000;
/** An IPv6 address with IPv4 in it, a zone, brackets and a port. */
const TEXT_LENGTH_MAX = 80;

const parsed = new LRUCache<string, Address>({ max: PARSED_MAX });

/** A host and the port after it, if there is one: `host`, `host:1`, `1.2.3.4:1`, `[::1]`, `[::1]:1`, `::1`. */
export interface HostAndPort {
  readonly host: string;
  readonly port?: number;
}

/** Takes the port off a host. Undefined if the text is neither of these; whether the host is one, it does not say. */
export function splitPort(text: string): HostAndPort | undefined {
  // More than one colon without brackets: an IPv6 address, which cannot have a port then.
  if (isIP(text) === 6) return { host: text };
  const { v6, host, port } =
    /^(?:\[(?<v6>[^[\]]+)\]|(?<host>[^[\]:]+))(?::(?<port>\d{1,5}))?$/.exec(text)?.groups ?? {};
  if (v6 !== undefined && isIP(v6) !== 6) return undefined;
  const name = v6 ?? host;
  if (name === undefined) return undefined;
  return port === undefined ? { host: name } : { host: name, port: Number(port) };
}

/**
 * Reads an address however a proxy or the system writes it: with a port, in brackets, with a zone, in any case. IPv4 in IPv6
 * (`::ffff:192.0.2.1`) is the IPv4 address. Undefined for all else, also for IPv4 with leading zeros, which some read as octal.
 */
function parse(text: string): Address | undefined {
  const known = parsed.get(text);
  if (known !== undefined || text.length > TEXT_LENGTH_MAX) return known;
  const { host = '' } = splitPort(text) ?? {};
  if (isIP(host) === 0) return undefined;
  const address = ipaddr.process(host);
  if (address instanceof ipaddr.IPv6) delete address.zoneId;
  parsed.set(text, address);
  return address;
}

/** The address in its one spelling, without port, brackets and zone, or undefined if it is none. */
export function canonicalAddress(text: string): string | undefined {
  return parse(text)?.toString();
}

/**
 * What counts as one caller: an IPv4 address, or the /64 of an IPv6 one, since whoever has one address of a /64 has them all. Text that is no
 * address is a caller of its own.
 */
export function callerOfAddress(text: string): string {
  const address = parse(text);
  if (address === undefined) return text;
  if (address instanceof ipaddr.IPv4) return address.toString();
  return `${address.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}

/** Whether the address is this machine's own. */
export function isLoopback(text: string): boolean {
  return parse(text)?.range() === 'loopback';
}

/** A range of addresses, as it is written and as bits. */
export interface AddressRange {
  /** CIDR, in its one canonical spelling. */
  readonly cidr: string;
  /** What the bits of its addresses begin with. */
  readonly bits: string;
}

/** Tells IPv4 from IPv6 at the head of the bits. */
const FAMILY_LENGTH = 1;

/**
 * Reads an address or a CIDR; bits beyond the prefix are dropped. Undefined if it is neither. Of an IPv4 address that is written as an IPv6
 * one, so is the prefix.
 */
export function rangeOf(text: string): AddressRange | undefined {
  const [host = '', prefix, ...more] = text.split('/');
  const family = isIP(host);
  if (family === 0 || more.length > 0 || host.includes('%')) return undefined;
  if (prefix !== undefined && !/^(0|[1-9]\d{0,2})$/.test(prefix)) return undefined;
  const address = ipaddr.process(host);
  const lengthMax = address.kind() === 'ipv4' ? 32 : 128;
  const isMapped = family === 6 && address.kind() === 'ipv4';
  const length = prefix === undefined ? lengthMax : Number(prefix) - (isMapped ? 96 : 0);
  if (length < 0 || length > lengthMax) return undefined;
  const Kind = address instanceof ipaddr.IPv4 ? ipaddr.IPv4 : ipaddr.IPv6;
  const first = Kind.networkAddressFromCIDR(`${address.toString()}/${length}`);
  return { cidr: `${first.toString()}/${length}`, bits: bitsOfAddress(first).slice(0, length + FAMILY_LENGTH) };
}

/** Whether a range is wider than any caller can be: an IPv4 prefix below 8 or an IPv6 one below 16 bits. */
export function isTooWide({ bits }: AddressRange): boolean {
  return bits.length - FAMILY_LENGTH < (bits.startsWith('4') ? 8 : 16);
}

/**
 * An address as text of its family's digit and its bits: an address is in a range if it begins with the range's bits. Empty if the text is no
 * address, and so in no range.
 */
function bitsOf(text: string): string {
  const address = parse(text);
  return address === undefined ? '' : bitsOfAddress(address);
}

function bitsOfAddress(address: Address): string {
  const bytes = address.toByteArray().map((byte) => byte.toString(2).padStart(8, '0'));
  return `${address.kind() === 'ipv4' ? 4 : 6}${bytes.join('')}`;
}

/** Ranges, each with a value. Looking an address up takes the same few steps however many there are. */
export class AddressRanges<Value> {
  readonly #values = new Map<string, Value>();
  readonly #lengths: readonly number[];

  constructor(entries: Iterable<readonly [AddressRange, Value]>) {
    for (const [{ bits }, value] of entries) this.#values.set(bits, value);
    this.#lengths = [...new Set([...this.#values.keys()].map(({ length }) => length))];
  }

  /** The values of all ranges that the address is in; none if the text is no address. */
  valuesOf(address: string): Value[] {
    if (this.#lengths.length === 0) return [];
    const bits = bitsOf(address);
    return this.#lengths.flatMap((length) => {
      const value = bits.length < length ? undefined : this.#values.get(bits.slice(0, length));
      return value === undefined ? [] : [value];
    });
  }
}
