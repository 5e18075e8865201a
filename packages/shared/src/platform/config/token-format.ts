/** The parts of an access token that depend on the identity provider. */
export interface TokenFormat {
  /** The only algorithm that is accepted with a key set. */
  readonly alg: string;
  /** The claim with the shopper's id. */
  readonly sub: string;
  /** The claim with the audience. */
  readonly aud: string;
  /** Seconds by which the provider's clock may differ. */
  readonly tolerance: string;
}

export const TOKEN_ALGORITHMS = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA'.split(' ');
export const TOKEN_FORMAT_DEFAULT: TokenFormat = { alg: 'RS256', sub: 'sub', aud: 'aud', tolerance: '30' };

/** The name of a claim; providers' own are often URLs. `WWW-Authenticate` quotes it. */
const CLAIM = /^[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,200}$/;
const FITS: Readonly<Record<keyof TokenFormat, (value: string) => boolean>> = {
  alg: (value) => TOKEN_ALGORITHMS.includes(value),
  sub: (value) => CLAIM.test(value),
  aud: (value) => CLAIM.test(value),
  tolerance: (value) => /^\d{1,3}$/.test(value) && Number(value) <= 300,
};

/**
 * What a text such as `alg=ES256,aud=azp` says, or undefined if a part of it does not fit or stands
 * there twice.
 */
export function tokenFormatOf(text: string): TokenFormat | undefined {
  const given: Partial<Record<string, string>> = {};
  for (const part of text.split(',')) {
    const [, name = '', value = ''] = /^\s*([a-z]+)=(.*?)\s*$/s.exec(part) ?? [];
    if (!Object.hasOwn(FITS, name) || Object.hasOwn(given, name)) return undefined;
    if (!FITS[name as keyof TokenFormat](value)) return undefined;
    given[name] = value;
  }
  return { ...TOKEN_FORMAT_DEFAULT, ...given };
}

export const tokenFormatText = (format: TokenFormat): string =>
  Object.entries(format)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');

export function tokenFormatFormat(text: string): string | undefined {
  const format = tokenFormatOf(text);
  return format && tokenFormatText(format);
}
