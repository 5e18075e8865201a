import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { LRUCache } from 'lru-cache';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/**
 * Number of cached parsed texts. Parsing takes microseconds, and a busy caller or proxy appears in
 * every request.
 */
const PARSED_MAX = 20_000;
/** The longest text: an IPv6 address that contains IPv4, a zone, brackets and a port. */
const TEXT_LENGTH_MAX = 80;

/** An address, its canonical form, and its bits once they were asked for. */
interface Parsed {
  readonly address: Address;
  readonly text: string;
  bits?: string;
}

const parsed = new LRUCache<string, Parsed>({ max: PARSED_MAX });

/**
 * A host and the port after it, if there is one: `host`, `host:1`, `1.2.3.4:1`, `[::1]`, `[::1]:1`,
 * `::1`.
 */
export interface HostAndPort {
  readonly host: string;
  readonly port?: number;
}

/**
 * Splits the port from a host. Undefined if the text has none of these forms. It does not check
 * that the host is valid.
 */
export function splitPort(text: string): HostAndPort | undefined {
  // More than one colon without brackets: an IPv6 address, which cannot have a port in this form.
  if (isIP(text) === 6) return { host: text };
  const { v6, host, port } =
    /^(?:\[(?<v6>[^[\]]+)\]|(?<host>[^[\]:]+))(?::(?<port>\d{1,5}))?$/.exec(text)?.groups ?? {};
  if (v6 !== undefined && isIP(v6) !== 6) return undefined;
  const name = v6 ?? host;
  if (name === undefined) return undefined;
  return port === undefined ? { host: name } : { host: name, port: Number(port) };
}

/**
 * Parses an address in any form that proxies and systems use: with a port, in brackets, with a
 * zone, in any case. IPv4 in IPv6 (`::ffff:192.0.2.1`) becomes the IPv4 address. Returns undefined
 * for any other text, also for IPv4 with leading zeros, which some programs read as octal.
 */
function parse(text: string): Parsed | undefined {
  const known = parsed.get(text);
  if (known !== undefined || text.length > TEXT_LENGTH_MAX) return known;
  const { host = '' } = splitPort(text) ?? {};
  if (isIP(host) === 0) return undefined;
  const address = ipaddr.process(host);
  if (address instanceof ipaddr.IPv6) delete address.zoneId;
  const made: Parsed = { address, text: address.toString() };
  parsed.set(text, made);
  return made;
}

/** The address in canonical form, without port, brackets and zone; undefined if it is not one. */
export function canonicalAddress(text: string): string | undefined {
  return parse(text)?.text;
}

/**
 * The unit of the limits per address: an IPv4 address, or the /64 of an IPv6 address, since one
 * caller usually has a whole /64. Text that is no address counts as a caller too.
 */
export function callerOfAddress(text: string): string {
  const found = parse(text);
  if (found === undefined) return text;
  const { address } = found;
  if (address instanceof ipaddr.IPv4) return found.text;
  return `${address.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}

/** Whether the address is this machine's own. */
export function isLoopback(text: string): boolean {
  return parse(text)?.address.range() === 'loopback';
}

/** A range of addresses, as text and as bits. */
export interface AddressRange {
  /** CIDR in canonical form. */
  readonly cidr: string;
  /** The leading bits of its addresses. */
  readonly bits: string;
}

/** The first character of the bits: it distinguishes IPv4 from IPv6. */
const FAMILY_LENGTH = 1;

/**
 * Parses an address or a CIDR and drops the bits after the prefix. Undefined if it is neither. For
 * an IPv4 address in IPv6 form, the prefix is in IPv6 form too.
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

/**
 * Whether a range is too wide for one caller: an IPv4 prefix below 8 or an IPv6 prefix below 16
 * bits.
 */
export function isTooWide({ bits }: AddressRange): boolean {
  return bits.length - FAMILY_LENGTH < (bits.startsWith('4') ? 8 : 16);
}

/**
 * An address as text: the digit of its family and its bits. An address is in a range if it begins
 * with the range's bits. Empty if the text is no address, and so in no range.
 */
function bitsOf(text: string): string {
  const found = parse(text);
  return found === undefined ? '' : (found.bits ??= bitsOfAddress(found.address));
}

function bitsOfAddress(address: Address): string {
  const bytes = address.toByteArray().map((byte) => byte.toString(2).padStart(8, '0'));
  return `${address.kind() === 'ipv4' ? 4 : 6}${bytes.join('')}`;
}

/** Ranges, each with a value. The cost of a lookup does not depend on their number. */
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
