import type { Config } from './config.ts';

/** How a connection by TLS is made: who may have signed the server's certificate, and what we show of ourselves. */
export interface TlsSettings {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

type Server = 'DB' | 'REDIS';
type TlsConfig<S extends Server> = Partial<Pick<Config, `${S}_TLS` | `${S}_TLS_CA` | `${S}_TLS_CERT` | `${S}_TLS_KEY`>>;

/** TLS towards MySQL, or undefined where it is off. Certificates are always verified: there is no setting that would not. */
export function dbTls(config: TlsConfig<'DB'>): TlsSettings | undefined {
  return config.DB_TLS === true
    ? defined({ ca: config.DB_TLS_CA, cert: config.DB_TLS_CERT, key: config.DB_TLS_KEY })
    : undefined;
}

/** TLS towards Redis, or undefined where it is off. */
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

function defined(settings: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
