import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { rangeOf, splitPort, type HostAndPort } from '../address.ts';

/**
 * Formats of settings that a pattern cannot express. Each takes the text of a setting and returns
 * it in canonical form, or undefined if it does not fit.
 */
export type Format = (text: string) => string | undefined;

const NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})$/;

/**
 * A host name or an address. Text that looks like an IPv4 address must be one: no name consists of
 * digits and dots only.
 */
const isHost = (host: string): boolean => isIP(host) !== 0 || (NAME.test(host) && !/^[\d.]+$/.test(host));

/** The parts of `host:port`; undefined if one is missing or wrong. */
export function endpointOf(text: string): Required<HostAndPort> | undefined {
  const { host, port } = splitPort(text) ?? {};
  if (host === undefined || port === undefined || !isHost(host)) return undefined;
  return port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** `host:port`, in brackets if the host is an IPv6 address. */
const endpointText = ({ host, port }: Required<HostAndPort>): string => `${bracketed(host)}:${port}`;

/** A host as it appears in a URL. */
export const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** A host without a port. `[::1]` becomes `::1`. */
export const hostFormat: Format = (text) => {
  const { host, port } = splitPort(text) ?? {};
  return host !== undefined && port === undefined && isHost(host) ? host : undefined;
};

/** The format of a list: parts separated by commas, with optional spaces around them. */
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

/** A URL for `fetch`, which accepts no credentials in it. */
export const webUrlFormat: Format = (text) => (webUrlOf(text) === undefined ? undefined : text);

/** The origin of a web page, as browsers send it. */
export const originFormat: Format = (text) => {
  const url = webUrlOf(text);
  return url?.pathname === '/' && url.search === '' && !text.includes('?') ? url.origin : undefined;
};

/** The service's own paths. A proxy path with the same name would be ambiguous. */
const OWN_PATHS = ['/api', '/docs', '/admin', '/healthz', '/readyz', '/assets', '/console', '/sales', '/orders'];
const PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+){0,16}$/;

/**
 * A path that a proxy may add: empty, or a path without a trailing slash that is none of the
 * service's own.
 */
export const isBasePath = (path: string): boolean =>
  PATH.test(path) && !OWN_PATHS.some((own) => path === own || path.startsWith(`${own}/`));

/** The public address of the service: an origin and an optional base path. No trailing slash. */
export const publicUrlFormat: Format = (text) => {
  const url = webUrlOf(text);
  if (url === undefined || text.includes('?') || text.includes('%')) return undefined;
  const path = url.pathname.replace(/\/$/, '');
  return isBasePath(path) ? `${url.origin}${path}` : undefined;
};

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** One or more certificates in PEM. */
const certificatesFormat: Format = (text) => {
  const pem = lines(text);
  return reads(() => {
    const certificates = pem.match(CERTIFICATE) ?? [];
    return certificates.length > 0 && certificates.every((one) => new X509Certificate(one));
  })
    ? pem
    : undefined;
};

/** A private key in PEM, without a passphrase. */
const privateKeyFormat: Format = (text) => {
  const pem = lines(text);
  return reads(() => createPrivateKey(pem)) ? pem : undefined;
};

const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END [A-Z ]*PRIVATE KEY-----/;

/**
 * The certificates and the key of a PEM text that has both, or undefined if either is missing or
 * wrong.
 */
export function ownCertificateOf(text: string): { readonly cert: string; readonly key: string } | undefined {
  const pem = lines(text);
  const cert = certificatesFormat(pem.replace(PRIVATE_KEY, ''));
  const key = privateKeyFormat(PRIVATE_KEY.exec(pem)?.[0] ?? '');
  return cert === undefined || key === undefined ? undefined : { cert, key };
}

export const ownCertificateFormat: Format = (text) => (ownCertificateOf(text) === undefined ? undefined : lines(text));

/** `true`, `false`, or certificates. */
export const tlsFormat: Format = (text) => {
  if (/^(?:true|1)$/i.test(text)) return 'true';
  return /^(?:false|0)$/i.test(text) ? 'false' : certificatesFormat(text);
};

export type Range = readonly [minimum: number, maximum: number];

/** The two numbers of `1/2`. */
export const pairOf = (text: string): [number, number] => text.split('/').map(Number) as [number, number];

export const pairFormat =
  (...ranges: readonly [Range, Range]): Format =>
  (text) => {
    if (!/^\d{1,15}\s*\/\s*\d{1,15}$/.test(text)) return undefined;
    const numbers = pairOf(text);
    const fits = numbers.every((number, i) => number >= ranges[i]![0] && number <= ranges[i]![1]);
    return fits ? numbers.join('/') : undefined;
  };

/** The parts of `user:password@host:port,host:port`. */
export function sentinelsOf(text: string): { addresses: string; username: string; password: string } | undefined {
  const at = text.lastIndexOf('@');
  const addresses = endpointsFormat(text.slice(at + 1));
  const access = /^([^:@/\s]*)(?::([^:@/\s]*))?$/.exec(text.slice(0, Math.max(at, 0)));
  if (addresses === undefined || access === null) return undefined;
  try {
    const [username, password] = [access[1] ?? '', access[2] ?? ''].map(decodeURIComponent) as [string, string];
    return { addresses, username, password };
  } catch {
    // Not percent-encoding.
    return undefined;
  }
}

export const sentinelsFormat: Format = (text) => {
  const sentinels = sentinelsOf(text);
  return sentinels && `${text.slice(0, text.lastIndexOf('@') + 1)}${sentinels.addresses}`;
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

/** A currency with two decimals, as all prices here have, by the ISO 4217 tables of the runtime. */
export const currencyFormat: Format = (text) => {
  if (!/^[A-Z]{3}$/.test(text)) return undefined;
  const format = new Intl.NumberFormat('en', { style: 'currency', currency: text });
  return format.resolvedOptions().maximumFractionDigits === 2 ? text : undefined;
};
