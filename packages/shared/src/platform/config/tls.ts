import { createSecureContext } from 'node:tls';
import type { Config } from './config.ts';
import { refusal } from './refusal.ts';

/** The settings of a TLS connection: the accepted authorities, and our own certificate and key. */
export interface TlsSettings {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

type Server = 'DB' | 'REDIS';
type TlsConfig<S extends Server> = Partial<Pick<Config, `${S}_TLS` | `${S}_TLS_CA` | `${S}_TLS_CERT` | `${S}_TLS_KEY`>>;

/**
 * TLS for MySQL; undefined if it is off. Certificates are always verified: no setting turns that
 * off.
 */
export function dbTls(config: TlsConfig<'DB'>): TlsSettings | undefined {
  return config.DB_TLS === true
    ? defined({ ca: config.DB_TLS_CA, cert: config.DB_TLS_CERT, key: config.DB_TLS_KEY })
    : undefined;
}

/** TLS for Redis; undefined if it is off. */
export function redisTls(
  config: TlsConfig<'REDIS'> & Partial<Pick<Config, 'REDIS_TLS_SERVER_NAME'>>,
): (TlsSettings & { readonly servername?: string }) | undefined {
  if (config.REDIS_TLS !== true) return undefined;
  return defined({
    ca: config.REDIS_TLS_CA,
    cert: config.REDIS_TLS_CERT,
    key: config.REDIS_TLS_KEY,
    servername: config.REDIS_TLS_SERVER_NAME,
  });
}

/** Problems of our own certificates that each setting alone does not show. */
export function tlsProblems(config: TlsConfig<'DB'> & TlsConfig<'REDIS'>): string[] {
  return (['DB', 'REDIS'] as const).flatMap((server) => {
    const [certName, keyName] = [`${server}_TLS_CERT`, `${server}_TLS_KEY`] as const;
    const [cert, key] = [config[certName], config[keyName]];
    const example = `${certName}_FILE=/run/secrets/tls.crt ${keyName}_FILE=/run/secrets/tls.key`;
    if (cert === undefined && key === undefined) return [];
    if (cert === undefined || key === undefined) {
      const [set, missing] = cert === undefined ? [keyName, certName] : [certName, keyName];
      return [refusal(`${set} is set, and ${missing} is not`, `${certName} and ${keyName} go together`, example)];
    }
    try {
      createSecureContext({ cert, key });
      return [];
    } catch {
      return [refusal(`${certName} and ${keyName} are both set`, 'The key must be that of the certificate', example)];
    }
  });
}

function defined(settings: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
