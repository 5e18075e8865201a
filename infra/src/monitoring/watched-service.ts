import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createPool, type Pool } from 'mysql2/promise';
import { awaitAnswer } from '../services/await-ready.ts';
import { launch, type LaunchedProcess } from '../services/launch.ts';
import { privateMysqlUser, startMysql } from '../services/mysql.ts';
import { awaitServiceReady, launchService, probe } from '../services/launch-service.ts';
import { freePort } from '../services/ports.ts';
import { startOnPort } from '../services/private-server.ts';
import { startRedis } from '../services/redis.ts';

const ROOT = join(import.meta.dirname, '../../..');
const READY_MS_MAX = 30_000;
const PASSWORD = 'watched';
const DB_NAME = 'watched';

export const OPERATOR_TOKEN = 'watched-operator';
/** The memory limit of Redis, well above what it needs here. */
export const REDIS_MEMORY_BYTES = 64 * 1024 * 1024;

/**
 * The service on servers of its own, with a Prometheus that scrapes it, and with direct access to
 * its servers.
 */
export interface WatchedService {
  /** The URL of the API. */
  readonly api: string;
  /** The URL of Prometheus. */
  readonly prometheus: string;
  readonly redis: Redis;
  readonly mysql: Pool;
  readonly redisServer: WatchedProcess;
  readonly mysqlServer: WatchedProcess;
  readonly workers: readonly WatchedProcess[];
}

/** A process that can be killed, frozen, and started again on the same port. */
export interface WatchedProcess {
  kill(): Promise<void>;
  start(): Promise<void>;
  signal(name: NodeJS.Signals): void;
}

export interface WatchOptions {
  /** The pause between two scrapes, and between two rounds of the rules, s. */
  readonly scrapeS?: number;
  /** Settings of the service in addition to its own. */
  readonly env?: NodeJS.ProcessEnv;
  /** Modules that each process loads before its own. */
  readonly imports?: readonly string[];
  /** A second api process, on another port of the API, with what differs for it. */
  readonly otherApi?: { readonly env: NodeJS.ProcessEnv; readonly imports: readonly string[] };
}

/**
 * Starts one or two api and two worker processes, and Prometheus with the configuration of
 * `npm start`, except for addresses and intervals.
 */
export async function startWatched(
  dataDir: string,
  prometheusProgram: string,
  { scrapeS = 1, env: more = {}, imports = [], otherApi }: WatchOptions = {},
): Promise<WatchedService> {
  const startOwnRedis = (port?: number) =>
    startRedis({ dataDir, password: PASSWORD, flags: ['--maxmemory', String(REDIS_MEMORY_BYTES)], ...atPort(port) });
  const startOwnMysql = (port?: number) => startMysql({ dataDir, password: PASSWORD, ...atPort(port) });
  const [redisServer, mysqlServer] = await Promise.all([startOwnRedis(), startOwnMysql()]);
  const [port, otherPort, apiOps, otherApiOps, ...workerOps] = await Promise.all(
    Array.from({ length: 6 }, () => freePort()),
  );
  const env = {
    PATH: process.env['PATH'],
    NODE_ENV: 'test',
    SERVER_HOST: '127.0.0.1',
    SERVER_PORT: String(port),
    DB_HOST: '127.0.0.1',
    DB_PORT: String(mysqlServer.port),
    DB_USER: privateMysqlUser,
    DB_PASSWORD: PASSWORD,
    DB_NAME,
    // As few as possible, so that some calls wait for one.
    DB_POOL_MAX: '5',
    REDIS_ADDR: `127.0.0.1:${redisServer.port}`,
    REDIS_PASSWORD: PASSWORD,
    ADMIN_TOKEN: OPERATOR_TOKEN,
    // Short, so that orders expire during the run.
    PAYMENT_TIMEOUT_SECONDS: '3',
    EVENT_LOOP_DELAY_MAX_MS: '60000',
    RATE_LIMIT_GLOBAL_CAPACITY: '1000000',
    RATE_LIMIT_GLOBAL_PER_SECOND: '1000000',
    RATE_LIMIT_USER_CAPACITY: '1000',
    RATE_LIMIT_USER_PER_SECOND: '1000',
    RATE_LIMIT_LEDGER: '1000/1000',
    ...more,
  };
  const processOf = (
    kind: 'api' | 'worker',
    name: string,
    opsPort: number,
    { env: own, imports: ownImports } = { env: {} as NodeJS.ProcessEnv, imports: [] as readonly string[] },
  ): WatchedProcess => {
    return restartable(undefined, async () => {
      const launched = await launchService({
        name,
        main: join(ROOT, 'packages', kind, 'src/main.ts'),
        dataDir,
        nodeArgs: [...imports, ...ownImports].map((file) => `--import=${file}`),
        cwd: ROOT,
        env: { ...env, API_OPS_PORT: String(opsPort), WORKER_OPS_PORT: String(opsPort), ...own },
      });
      await awaitServiceReady(launched, `http://127.0.0.1:${opsPort}/readyz`, { limitMs: READY_MS_MAX });
      return launched;
    });
  };
  const workers = workerOps.map((opsPort, i) => processOf('worker', `worker-${i + 1}`, opsPort));
  const apis = [processOf('api', 'api-1', apiOps!)];
  if (otherApi !== undefined) {
    const { env: own, imports: ownImports } = otherApi;
    const otherEnv = { SERVER_PORT: String(otherPort), ...own };
    apis.push(processOf('api', 'api-2', otherApiOps!, { env: otherEnv, imports: ownImports }));
  }
  const opsPorts = { api: [apiOps!, otherApiOps!].slice(0, apis.length), worker: workerOps };
  const prometheus = await startPrometheus(dataDir, prometheusProgram, opsPorts, scrapeS);
  await Promise.all([...apis, ...workers].map((one) => one.start()));
  const host = '127.0.0.1';
  const redis = new Redis({ host, port: redisServer.port, password: PASSWORD });
  // The run stops Redis on purpose, and the client reconnects.
  redis.on('error', () => undefined);
  return {
    api: `http://127.0.0.1:${port}`,
    prometheus,
    redis,
    mysql: createPool({ host, port: mysqlServer.port, user: privateMysqlUser, password: PASSWORD, database: DB_NAME }),
    redisServer: restartable(redisServer, () => startOwnRedis(redisServer.port)),
    mysqlServer: restartable(mysqlServer, () => startOwnMysql(mysqlServer.port)),
    workers,
  };
}

const atPort = (port: number | undefined) => (port === undefined ? {} : { port });

/** @param running the present process, if there is one */
function restartable(running: LaunchedProcess | undefined, start: () => Promise<LaunchedProcess>): WatchedProcess {
  let launched = running;
  return {
    async start() {
      launched = await start();
    },
    async kill() {
      launched?.kill('SIGKILL');
      await launched?.exited;
    },
    signal: (name) => launched?.kill(name),
  };
}

/** @returns its address */
async function startPrometheus(
  dataDir: string,
  program: string,
  opsPorts: Readonly<Record<string, readonly number[]>>,
  scrapeS: number,
): Promise<string> {
  const folder = join(dataDir, 'prometheus');
  mkdirSync(folder);
  const config = join(folder, 'prometheus.yml');
  const text = readFileSync(join(ROOT, 'infra/monitoring/prometheus/local.yml'), 'utf8');
  writeFileSync(config, configFor(text, opsPorts, scrapeS));
  const server = await startOnPort(undefined, (port) =>
    launch({
      name: 'prometheus',
      kind: 'server',
      dataDir,
      program,
      args: [`--config.file=${config}`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`],
    }),
  );
  const address = `http://127.0.0.1:${server.port}`;
  await awaitAnswer(() => probe(`${address}/-/ready`), { limitMs: READY_MS_MAX, ended: server.exited });
  return address;
}

/**
 * The configuration with other targets (each under a name that is the same in every run), other
 * intervals, and rules by their full path.
 */
function configFor(text: string, opsPorts: Readonly<Record<string, readonly number[]>>, scrapeS: number): string {
  const paced = text
    .replaceAll(/(scrape_interval|evaluation_interval): \w+/g, `$1: ${scrapeS}s`)
    .replace(/scrape_timeout: \w+/, `scrape_timeout: ${Math.max(1, scrapeS - 1)}s`)
    .replace('rules/*.yml', join(ROOT, 'infra/monitoring/prometheus/rules/*.yml'));
  return paced.replaceAll(/(job_name: (\w+)\n\s+static_configs: )\[[^\n]*\]/g, (_, head: string, job: string) => {
    const targets = opsPorts[job]!.map(
      (port, i) => `{ targets: ['127.0.0.1:${port}'], labels: { instance: '${job}-${i + 1}' } }`,
    );
    return `${head}[${targets.join(', ')}]`;
  });
}
