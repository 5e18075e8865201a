import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls';
import { endpointOf, ownCertificateOf } from './formats.ts';
import { refusal } from './refusal.ts';

/** The settings of a TLS connection: the accepted authorities, and our own certificate and key. */
export interface TlsSettings {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

type Server = 'DB' | 'REDIS';
/** The settings of one server that this file reads. */
type TlsConfig<S extends Server> = { readonly [Setting in `${S}_TLS`]?: boolean } & {
  readonly [Setting in `${S}_TLS_CA` | `${S}_TLS_CERT`]?: string | undefined;
};

/**
 * TLS towards MySQL, or undefined if it is off. Certificates are always verified: there is no
 * setting that would not.
 */
export function dbTls(config: TlsConfig<'DB'>): TlsSettings | undefined {
  return config.DB_TLS === true ? tlsSettings(config.DB_TLS_CA, config.DB_TLS_CERT) : undefined;
}

type CheckServerIdentity = (host: string, cert: PeerCertificate) => Error | undefined;

/** TLS towards Redis, or undefined if it is off. */
export function redisTls(
  config: TlsConfig<'REDIS'> & {
    readonly REDIS_ADDR?: string | undefined;
    readonly REDIS_SENTINELS?: string | undefined;
  },
): (TlsSettings & { readonly checkServerIdentity: CheckServerIdentity }) | undefined {
  if (config.REDIS_TLS !== true) return undefined;
  const names = [config.REDIS_ADDR, config.REDIS_SENTINELS]
    .flatMap((addresses) => addresses?.split(',') ?? [])
    .flatMap((address) => endpointOf(address)?.host ?? [])
    .filter((host) => isIP(host) === 0);
  return {
    ...tlsSettings(config.REDIS_TLS_CA, config.REDIS_TLS_CERT),
    // Clusters and Sentinels may announce the addresses of servers whose certificates have one of
    // the names that we were given.
    checkServerIdentity: (host, cert) => {
      const error = checkServerIdentity(host, cert);
      if (error === undefined || isIP(host) === 0) return error;
      return names.some((name) => checkServerIdentity(name, cert) === undefined) ? undefined : error;
    },
  };
}

function tlsSettings(ca: string | undefined, own: string | undefined): TlsSettings {
  return { ...(ca === undefined ? {} : { ca }), ...(own === undefined ? {} : ownCertificateOf(own)) };
}

/** Problems of our own certificates that each setting alone does not show. */
export function tlsProblems(config: TlsConfig<'DB'> & TlsConfig<'REDIS'>): string[] {
  return (['DB_TLS_CERT', 'REDIS_TLS_CERT'] as const).flatMap((name) => {
    const own = config[name];
    if (own === undefined) return [];
    try {
      createSecureContext({ ...ownCertificateOf(own) });
      return [];
    } catch {
      const wanted = 'The key must be that of the certificate';
      return [refusal(`${name} is hidden (${own.length} characters)`, wanted, `${name}_FILE=/run/secrets/tls.pem`)];
    }
  });
}
