import { loadConfig } from '@flash-sale/shared/config/config.ts';
import { dbTls, redisTls } from '@flash-sale/shared/config/tls.ts';
import { pingMysql, pingRedis } from './ping.ts';
import { reasonOf, StartFailure } from './start-failure.ts';

/**
 * Servers whose addresses the environment gives belong to somebody else: they are asked whether they
 * answer and otherwise left alone, never stopped, flushed or reconfigured. One kind may be given
 * without the other.
 */
export const redisIsGiven = (env: NodeJS.ProcessEnv): boolean => Boolean(env['REDIS_ADDR'] || env['REDIS_SENTINELS']);
export const mysqlIsGiven = (env: NodeJS.ProcessEnv): boolean => Boolean(env['DB_HOST'] || env['DB_PORT']);

/** The variables of the given Redis, made complete; fails where it does not answer. */
export async function givenRedis(env: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  const REDIS_PASSWORD = env['REDIS_PASSWORD'] ?? '';
  const tls = redisTls(tlsSettingsOf(env));
  const [name, passwordName] = env['REDIS_SENTINELS']
    ? (['REDIS_SENTINELS', 'REDIS_SENTINEL_PASSWORD'] as const)
    : (['REDIS_ADDR', 'REDIS_PASSWORD'] as const);
  const addresses = env[name] ?? '';
  const reasons: string[] = [];
  // Of a cluster, or of Sentinels, any one leads to the others.
  for (const address of addresses.split(',')) {
    try {
      await pingRedis({ ...hostAndPort(address.trim(), 6379), password: env[passwordName], tls });
      return { [name]: addresses, REDIS_PASSWORD };
    } catch (error) {
      reasons.push(reasonOf(error));
    }
  }
  throw new StartFailure(
    `the Redis given by ${name}=${addresses} does not answer: ${reasons.join('; ')}\n` +
      `Start it, correct ${name} and ${passwordName}, or unset ${name} to have a private one started.`,
  );
}

/** The variables of the given MySQL, made complete; fails where it does not answer. */
export async function givenMysql(env: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  const given = {
    DB_HOST: env['DB_HOST'] || '127.0.0.1',
    DB_PORT: env['DB_PORT'] || '3306',
    DB_USER: env['DB_USER'] || 'root',
    DB_PASSWORD: env['DB_PASSWORD'] ?? '',
  };
  try {
    await pingMysql({
      host: given.DB_HOST,
      port: Number(given.DB_PORT),
      user: given.DB_USER,
      password: given.DB_PASSWORD,
      tls: dbTls(tlsSettingsOf(env)),
    });
  } catch (error) {
    throw new StartFailure(
      `the MySQL given by DB_HOST=${given.DB_HOST} DB_PORT=${given.DB_PORT} does not answer: ${reasonOf(error)}\n` +
        'Start it, correct DB_HOST, DB_PORT, DB_USER and DB_PASSWORD, or unset DB_HOST and DB_PORT to have a private one started.',
    );
  }
  return given;
}

/** Nothing but the settings of TLS, since the rest of the environment is not this file's to check. */
const tlsSettingsOf = (env: NodeJS.ProcessEnv) =>
  loadConfig(
    Object.fromEntries(Object.entries(env).filter(([name]) => /^(DB|REDIS)_TLS/.test(name) || name === 'DB_HOST')),
  );

/** `host`, `host:port` or `[v6]:port`. */
function hostAndPort(address: string, defaultPort: number): { host: string; port: number } {
  const parts = /^(?:\[(?<v6>[^\]]+)\]|(?<host>[^:]+))(?::(?<port>\d+))?$/.exec(address)?.groups;
  if (!parts) throw new StartFailure(`"${address}" is not an address like host:port`);
  return { host: parts['v6'] ?? parts['host'] ?? '', port: Number(parts['port'] ?? defaultPort) };
}
