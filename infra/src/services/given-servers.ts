import { loadConfig } from '@flash-sale/shared/platform/config/config.ts';
import { dbTls, redisTls } from '@flash-sale/shared/platform/config/tls.ts';
import { endpointOf } from '@flash-sale/shared/platform/config/formats.ts';
import { pingMysql, pingRedis } from './ping.ts';
import { reasonOf, StartFailure } from './start-failure.ts';

/**
 * Servers whose addresses the environment gives belong to somebody else: we check that they answer,
 * and never stop, flush or reconfigure them. One kind may be given without the other.
 */
export const redisIsGiven = (env: NodeJS.ProcessEnv): boolean => Boolean(env['REDIS_ADDR'] || env['REDIS_SENTINELS']);
export const mysqlIsGiven = (env: NodeJS.ProcessEnv): boolean => Boolean(env['DB_HOST'] || env['DB_PORT']);

/** The complete variables of the given Redis. Fails if it does not answer. */
export async function givenRedis(env: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  const config = serverSettings(env);
  const isUnderSentinels = config.REDIS_SENTINELS !== undefined;
  const name = isUnderSentinels ? 'REDIS_SENTINELS' : 'REDIS_ADDR';
  const addresses = config[name] ?? '';
  const access = isUnderSentinels
    ? { username: config.REDIS_SENTINEL_USERNAME, password: config.REDIS_SENTINEL_PASSWORD }
    : { username: config.REDIS_USERNAME, password: config.REDIS_PASSWORD };
  const tls = redisTls(config);
  const reasons: string[] = [];
  // Any one address of a cluster, or of Sentinels, leads to the others.
  for (const address of addresses.split(',')) {
    try {
      await pingRedis({ ...endpointOf(address)!, ...access, tls });
      return { ...(isUnderSentinels ? {} : { REDIS_ADDR: addresses }), REDIS_PASSWORD: config.REDIS_PASSWORD };
    } catch (error) {
      reasons.push(reasonOf(error));
    }
  }
  throw new StartFailure(
    `the Redis given by ${name}=${addresses} does not answer: ${reasons.join('; ')}\n` +
      `Start it, correct ${name}, REDIS_PASSWORD and REDIS_URL, or unset ${name} to start a private one.`,
  );
}

/** The complete variables of the given MySQL. Fails if it does not answer. */
export async function givenMysql(env: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  const config = serverSettings(env);
  const { DB_HOST, DB_PORT, DB_USER, DB_PASSWORD } = config;
  try {
    await pingMysql({ host: DB_HOST, port: DB_PORT, user: DB_USER, password: DB_PASSWORD, tls: dbTls(config) });
  } catch (error) {
    throw new StartFailure(
      `the MySQL given by DB_HOST=${DB_HOST} DB_PORT=${DB_PORT} does not answer: ${reasonOf(error)}\n` +
        'Start it, correct DB_HOST, DB_PORT, DB_USER and DB_PASSWORD, or unset DB_HOST and DB_PORT to start a private one.',
    );
  }
  return { DB_HOST, DB_PORT: String(DB_PORT), DB_USER, DB_PASSWORD };
}

/** Only the settings of the servers: this code does not check the other ones. */
const serverSettings = (env: NodeJS.ProcessEnv) =>
  loadConfig(Object.fromEntries(Object.entries(env).filter(([name]) => /^(?:DB|REDIS)_/.test(name))));
