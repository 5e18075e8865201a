import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createPool, type Pool } from 'mysql2/promise';
import { privateMysqlUser, startMysql } from '@flash-sale/infra/services/mysql.ts';
import { freePort } from '@flash-sale/infra/services/ports.ts';
import { startRedis } from '@flash-sale/infra/services/redis.ts';
import { ServiceProcess } from './service-process.ts';

const TREE = join(import.meta.dirname, '..', '..');
const DB_NAME = 'bench';
const USUAL_DB_NAME = 'bench_usual';
const secret = (): string => randomBytes(24).toString('hex');

/** Settings of the tested service that differ from its defaults, for the report. */
export const SETTINGS = {
  NODE_ENV: 'production',
  LOG_LEVEL: 'info',
  AUTH_MODE: 'trusted',
  TRUSTED_PROXIES: '127.0.0.1',
  PAYMENT_PROVIDER: 'sandbox',
  // Checked for every buy, and high enough to refuse none.
  RATE_LIMIT_GLOBAL_CAPACITY: '1000000',
  RATE_LIMIT_GLOBAL_PER_SECOND: '1000000',
  RATE_LIMIT_USER_CAPACITY: '1000',
  RATE_LIMIT_USER_PER_SECOND: '1000',
  RATE_LIMIT_IP: '1000000/1000000',
  RATE_LIMIT_LEDGER: '1000000/1000000',
  // Growth and preparation take longer than a sale does.
  TOKEN_TTL_SECONDS: '3600',
  PAYMENT_TIMEOUT_SECONDS: '86400',
  BACKLOG_MAX: '2000000',
} as const;

/**
 * A process that does not run all the time. It is frozen meanwhile, not ended: a new process runs
 * code that is not compiled yet, unlike a service that has been up for a minute.
 */
export interface OnDemand {
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly pid: () => number | undefined;
}

/** Everything that is measured, on servers of its own, each process by its address. */
export interface Stage {
  readonly api: string;
  /** A second api process with the same settings. */
  readonly api2: string;
  /** An api process with `AUTH_MODE=jwt`. */
  readonly apiJwt: string;
  readonly bare: string;
  readonly usual: string;
  readonly worker: OnDemand;
  /** The number of parallel jobs of its worker is the argument. */
  readonly usualWorker: (concurrency: number) => OnDemand;
  readonly redis: Redis;
  /** In the service's database. */
  readonly sql: Pool;
  readonly usualSql: Pool;
  readonly operatorToken: string;
  readonly jwtSecret: string;
  readonly pids: {
    readonly api: number;
    readonly bare: number | undefined;
    readonly redis: number;
    readonly mysql: number;
  };
  /** Processes that ended unexpectedly. */
  readonly crashes: string[];
  readonly close: () => Promise<void>;
}

export interface StageOptions {
  /** The folder for the data of servers and for all logs. */
  readonly dataDir: string;
  /** The port on which a process (`api-1`, `worker`) is profiled, if any. */
  readonly inspect?: Readonly<Record<string, number>>;
  /** Only the api: without a second one, jwt, and the two services to compare with. */
  readonly onlyApi?: boolean;
  /** Settings that differ from `SETTINGS`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Starts servers and processes. Each scenario starts the workers that it needs. */
export async function startStage(options: StageOptions): Promise<Stage> {
  const { dataDir, inspect = {}, onlyApi = false } = options;
  const password = secret();
  const operatorToken = secret();
  const jwtSecret = secret();
  const crashes: string[] = [];
  const [redisServer, mysqlServer] = await Promise.all([
    startRedis({ dataDir, password }),
    startMysql({ dataDir, password }),
  ]);
  const mysql = { host: '127.0.0.1', port: mysqlServer.port, user: privateMysqlUser, password };
  const env = (more: Record<string, string>): NodeJS.ProcessEnv => ({
    PATH: process.env['PATH'],
    ...SETTINGS,
    ...options.settings,
    SERVER_HOST: '127.0.0.1',
    DB_HOST: mysql.host,
    DB_PORT: String(mysql.port),
    DB_USER: mysql.user,
    DB_PASSWORD: password,
    DB_NAME,
    REDIS_ADDR: `127.0.0.1:${redisServer.port}`,
    REDIS_PASSWORD: password,
    ADMIN_TOKEN: operatorToken,
    PUBLIC_URL: 'http://127.0.0.1',
    ...more,
  });
  const started: ServiceProcess[] = [];

  /** A process of the service or of `usual`, with the address of its API. */
  async function make(name: string, program: string, more: Record<string, string> = {}) {
    const [port, opsPort] = [await freePort(), await freePort()];
    const ports = { SERVER_PORT: String(port), API_OPS_PORT: String(opsPort), WORKER_OPS_PORT: String(opsPort) };
    const isOurs = program.startsWith('packages/');
    const process = new ServiceProcess({
      name,
      program,
      tree: TREE,
      nodeArgs: inspect[name] === undefined ? [] : [`--inspect=127.0.0.1:${inspect[name]}`],
      dataDir,
      env: env({ ...ports, ...more }),
      readyUrl: `http://127.0.0.1:${isOurs ? `${opsPort}/readyz` : `${port}/healthz`}`,
      onCrash: (how) => crashes.push(how),
    });
    started.push(process);
    return { process, url: `http://127.0.0.1:${port}` };
  }
  const onDemand = (process: ServiceProcess): OnDemand => ({
    async start() {
      if (process.pid === undefined) return process.start();
      process.thaw();
      await process.untilReady();
    },
    stop: () => Promise.resolve(process.freeze()),
    pid: () => process.pid,
  });

  const redis = new Redis({ host: '127.0.0.1', port: redisServer.port, password });
  redis.on('error', () => undefined);
  const sql = createPool({ ...mysql, database: DB_NAME, connectionLimit: 4, supportBigNumbers: true });
  const usualSql = createPool({ ...mysql, database: USUAL_DB_NAME, connectionLimit: 2 });
  const close = async (): Promise<void> => {
    redis.disconnect();
    await Promise.allSettled([sql.end(), usualSql.end()]);
    // A frozen process does not handle signals.
    for (const process of started) process.thaw();
    await Promise.all(started.map((process) => process.stop(2_000)));
    await Promise.all([redisServer.stop(10_000), mysqlServer.stop(10_000)]);
  };
  try {
    const API = 'packages/api/src/main.ts';
    const api = await make('api-1', API);
    const api2 = await make('api-2', API);
    const jwt = await make('api-jwt', API, { AUTH_MODE: 'jwt', JWT_SECRET: jwtSecret });
    const bare = await make('bare', 'bench/baseline/bare.ts');
    const usual = await make('usual-api', 'bench/baseline/usual-api.ts', { DB_NAME: USUAL_DB_NAME });
    const worker = await make('worker', 'packages/worker/src/main.ts');
    const usualWorkers = new Map<number, OnDemand>();
    // The first process migrates the database; the others find it up to date.
    await api.process.start();
    if (!onlyApi) await Promise.all([api2, jwt, bare, usual].map(({ process }) => process.start()));
    const usualNames = { DB_NAME: USUAL_DB_NAME };
    const concurrencies = onlyApi ? [] : USUAL_CONCURRENCIES;
    for (const concurrency of concurrencies) {
      const more = { ...usualNames, WORKER_CONCURRENCY: String(concurrency) };
      const { process } = await make(`usual-worker-${concurrency}`, 'bench/baseline/usual-worker.ts', more);
      usualWorkers.set(concurrency, onDemand(process));
    }
    return {
      api: api.url,
      api2: api2.url,
      apiJwt: jwt.url,
      bare: bare.url,
      usual: usual.url,
      worker: onDemand(worker.process),
      usualWorker: (concurrency) => usualWorkers.get(concurrency)!,
      redis,
      sql,
      usualSql,
      operatorToken,
      jwtSecret,
      pids: { api: api.process.pid!, bare: bare.process.pid, redis: redisServer.pid, mysql: mysqlServer.pid },
      crashes,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The numbers of parallel jobs to try for the worker of `usual`. The best one is used. */
export const USUAL_CONCURRENCIES = [8, 32, 100] as const;
