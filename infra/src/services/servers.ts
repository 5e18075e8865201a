import { mkdirSync } from 'node:fs';
import { readSettingSources } from '@flash-sale/shared/platform/config/config.ts';
import { startMysqlContainer, startRedisContainer } from './docker.ts';
import { dockerAnswers } from './docker-client.ts';
import { givenMysql, givenRedis, mysqlIsGiven, redisIsGiven } from './given-servers.ts';
import { keepRunning } from './keep-running.ts';
import { privateMysqlUser, startMysql } from './mysql.ts';
import { installPrograms } from './package-manager.ts';
import { findMysqlProgram, findRedisProgram, searchFolders, type MysqlProgram, type RedisProgram } from './programs.ts';
import type { PrivateServer } from './private-server.ts';
import { startRedis } from './redis.ts';
import { ensureSecret } from './secrets.ts';
import { StartFailure } from './start-failure.ts';

export interface ServersOptions {
  /** The folder for data, logs, records and passwords of the started servers. Must be absolute. */
  dataDir: string;
  /** The source of given addresses and PATH. */
  env: NodeJS.ProcessEnv;
  log: (line: string) => void;
  /** Aborts a start in progress. What it started is ended. */
  signal?: AbortSignal | undefined;
  /** The folders to search for programs. Default: PATH and the usual folders. */
  folders?: string[];
  /** More arguments of a private MySQL. */
  mysqlFlags?: string[];
}

export interface Servers {
  /** `DB_HOST DB_PORT DB_USER DB_PASSWORD REDIS_ADDR REDIS_PASSWORD`, for the processes. */
  readonly env: Record<string, string>;
  /** Ends the servers that were started; given ones do not change. Safe to call twice. */
  readonly stop: (graceMs?: number) => Promise<void>;
}

/**
 * Provides a Redis and a MySQL from the first source that works: the addresses in the environment,
 * server programs on the machine, Docker, the machine's package manager. Private servers are
 * started again if they die.
 */
export async function startServers(options: ServersOptions): Promise<Servers> {
  const env = readSettingSources(options.env);
  const given = {
    redis: redisIsGiven(env) ? givenServer(await givenRedis(env)) : undefined,
    mysql: mysqlIsGiven(env) ? givenServer(await givenMysql(env)) : undefined,
  };
  const source = given.redis && given.mysql ? {} : await findSource(options, given);
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  const outcomes = await Promise.allSettled([
    given.redis ? Promise.resolve(given.redis) : startOwnRedis(options, source.redis),
    given.mysql ? Promise.resolve(given.mysql) : startOwnMysql(options, source.mysql),
  ]);
  const started = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const stop = async (graceMs?: number) => {
    await Promise.all(started.map((server) => server.stop(graceMs)));
  };
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) {
    await stop();
    throw failed.reason;
  }
  return { env: Object.assign({}, ...started.map((server) => server.env)), stop };
}

const givenServer = (env: Record<string, string>): Servers => ({ env, async stop() {} });

/** The programs to run. If one is missing, the server runs in a container. */
interface Source {
  redis?: RedisProgram | undefined;
  mysql?: MysqlProgram | undefined;
}

async function findSource(options: ServersOptions, given: { redis?: unknown; mysql?: unknown }): Promise<Source> {
  const folders = options.folders ?? searchFolders(options.env);
  const find = (): Source => ({
    redis: given.redis ? undefined : findRedisProgram(folders),
    mysql: given.mysql ? undefined : findMysqlProgram(folders),
  });
  const missingFrom = (source: Source) => (['redis', 'mysql'] as const).filter((kind) => !given[kind] && !source[kind]);

  const found = find();
  const missing = missingFrom(found);
  if (missing.length === 0 || (await dockerAnswers(options.env))) return found;
  if (!(await installPrograms({ ...options, folders, missing }))) throw noServers(missing);
  const installed = find();
  const stillMissing = missingFrom(installed);
  if (stillMissing.length > 0) throw noServers(stillMissing);
  return installed;
}

function noServers(missing: ('redis' | 'mysql')[]): StartFailure {
  const names = { redis: 'Redis (7.0 or later)', mysql: 'MySQL (8.0+) or MariaDB (10.11+)' };
  return new StartFailure(
    `found no ${missing.map((kind) => names[kind]).join(' and no ')}. Do one of these:
  - give the addresses of running servers: REDIS_ADDR=host:port, DB_HOST, DB_PORT, DB_USER and DB_PASSWORD, or REDIS_URL and DB_URL
  - install the programs redis-server and mysqld or mariadbd; npm start runs them privately, without root
  - start Docker, so that \`docker info\` answers
  - use a package manager: on Debian or Ubuntu run this as root (apt-get), on macOS install Homebrew`,
  );
}

async function startOwnRedis(options: ServersOptions, program: RedisProgram | undefined): Promise<Servers> {
  const { dataDir, log, signal } = options;
  const password = ensureSecret(dataDir, 'REDIS_PASSWORD');
  const variables = (server: { host: string; port: number }) => ({
    REDIS_ADDR: `${server.host}:${server.port}`,
    REDIS_PASSWORD: password,
  });
  if (!program) {
    const container = await startRedisContainer({ dataDir, password, log, signal });
    return { env: variables(container), stop: container.stop };
  }
  log(`starting Redis ${program.version} (${program.path})`);
  const kept = await keepRunning({
    start: (startSignal, previous?: PrivateServer) =>
      startRedis({ program, dataDir, password, signal: startSignal, ...portOf(previous) }),
    log,
    signal,
  });
  return { env: variables(kept.current), stop: kept.stop };
}

async function startOwnMysql(options: ServersOptions, program: MysqlProgram | undefined): Promise<Servers> {
  const { dataDir, log, signal, mysqlFlags = [] } = options;
  const password = ensureSecret(dataDir, 'DB_PASSWORD');
  const variables = (server: { host: string; port: number }, user: string) => ({
    DB_HOST: server.host,
    DB_PORT: String(server.port),
    DB_USER: user,
    DB_PASSWORD: password,
  });
  if (!program) {
    const container = await startMysqlContainer({ dataDir, password, log, signal });
    return { env: variables(container, 'root'), stop: container.stop };
  }
  const flavour = program.flavour === 'mariadb' ? 'MariaDB' : 'MySQL';
  log(`starting ${flavour} ${program.version} (${program.path})`);
  const kept = await keepRunning({
    start: (startSignal, previous?: PrivateServer) =>
      startMysql({ program, dataDir, password, flags: mysqlFlags, signal: startSignal, ...portOf(previous) }),
    log,
    signal,
  });
  return { env: variables(kept.current, privateMysqlUser), stop: kept.stop };
}

/** A restarted server uses its old port, where its clients look for it. */
const portOf = (previous: PrivateServer | undefined) => (previous ? { port: previous.port } : {});
