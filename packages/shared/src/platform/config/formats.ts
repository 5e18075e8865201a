import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { rangeOf, splitPort, type HostAndPort } from '../address.ts';

/**
 * Forms of settings that are more than a pattern. Each takes the text of a setting and returns it in its one spelling, or undefined if it does
 * not fit.
 */
export type Format = (text: string) => string | undefined;

const NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})$/;

/** A host name or an address. What looks like an IPv4 address must be one: no name consists of digits and dots. */
const isHost = (host: string): boolean => isIP(host) !== 0 || (NAME.test(host) && !/^[\d.]+$/.test(host));

/** The parts of `host:port`, or undefined if either is missing or wrong. */
export function endpointOf(text: string): Required<HostAndPort> | undefined {
  const { host, port } = splitPort(text) ?? {};
  if (host === undefined || port === undefined || !isHost(host)) return undefined;
  return port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** `host:port`, in brackets if the host is an IPv6 address. */
export const endpointText = ({ host, port }: Required<HostAndPort>): string => `${bracketed(host)}:${port}`;

/** A host as a URL has it. */
export const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** A host without a port: `[::1]` is `::1`. */
export const hostFormat: Format = (text) => {
  const { host, port } = splitPort(text) ?? {};
  return host !== undefined && port === undefined && isHost(host) ? host : undefined;
};

/** A form for a list whose parts are separated by commas, and blanks around these. */
export function listOf(format: Format): Format {
  return (text) => {
    const parts = text.split(',').map((part) => format(part.trim()));
    return parts.includes(undefined) ? undefined : parts.join(',');
  };
}

export const matching =
  (pattern: RegExp): Format =>
  (text) =>
    pattern.test(text) ? text : undefined;

export const endpointsFormat = listOf((text) => {
  const endpoint = endpointOf(text);
  return endpoint && endpointText(endpoint);
});

export const rangesFormat = listOf((text) => (rangeOf(text) === undefined ? undefined : text));

function webUrlOf(text: string): URL | undefined {
  const url = URL.parse(text);
  if (url === null || !/^https?:\/\//i.test(text)) return undefined;
  return url.username === '' && url.password === '' && url.hash === '' ? url : undefined;
}

/** An address that is fetched. `fetch` takes no credentials in it. */
export const webUrlFormat: Format = (text) => (webUrlOf(text) === undefined ? undefined : text);

/** The origin of a web page, as browsers send it. */
export const originFormat: Format = (text) => {
  const url = webUrlOf(text);
  return url?.pathname === '/' && url.search === '' && !text.includes('?') ? url.origin : undefined;
};

/** The paths that are the service's own: below a proxy's path of the same name, the two could not be told apart. */
const OWN_PATHS = ['/api', '/docs', '/admin', '/healthz', '/readyz'];
const PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+){0,16}$/;

/** Where a proxy may have put the service: nothing, or a path without a slash at its end that is none of the service's own. */
export const isBasePath = (path: string): boolean =>
  PATH.test(path) && !OWN_PATHS.some((own) => path === own || path.startsWith(`${own}/`));

/** Where the service is reached: an origin, and a path below which it is. No slash at its end. */
export const publicUrlFormat: Format = (text) => {
  const url = webUrlOf(text);
  if (url === undefined || text.includes('?') || text.includes('%')) return undefined;
  const path = url.pathname.replace(/\/$/, '');
  return isBasePath(path) ? `${url.origin}${path}` : undefined;
};

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** PEM, one certificate or more. */
export const certificatesFormat: Format = (text) => {
  const pem = lines(text);
  return reads(() => {
    const certificates = pem.match(CERTIFICATE) ?? [];
    return certificates.length > 0 && certificates.every((one) => new X509Certificate(one));
  })
    ? pem
    : undefined;
};

/** PEM, a private key without a passphrase. */
export const privateKeyFormat: Format = (text) => {
  const pem = lines(text);
  return reads(() => createPrivateKey(pem)) ? pem : undefined;
};

/** Many tools can only pass one line on, and write line breaks as `\n`. */
const lines = (pem: string): string => (pem.includes('\n') ? pem : pem.replaceAll('\\n', '\n'));

function reads(read: () => unknown): boolean {
  try {
    return Boolean(read());
  } catch {
    return false;
  }
}

/** A currency whose unit has a hundred parts, as all prices are here, by the tables of ISO 4217 that come with the runtime. */
export const currencyFormat: Format = (text) => {
  if (!/^[A-Z]{3}$/.test(text)) return undefined;
  const format = new Intl.NumberFormat('en', { style: 'currency', currency: text });
  return format.resolvedOptions().maximumFractionDigits === 2 ? text : undefined;
};
