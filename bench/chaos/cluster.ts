import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@flash-sale/infra/services/ports.ts';
import { privateMysqlUser, startMysql } from '@flash-sale/infra/services/mysql.ts';
import type { PrivateServer } from '@flash-sale/infra/services/private-server.ts';
import { startRedis } from '@flash-sale/infra/services/redis.ts';
import { Redis } from 'ioredis';
import { untilInStep } from './replication.ts';
import { ServiceProcess } from '../stage/service-process.ts';
import { truncateAof } from './aof.ts';
import { Proxy } from './proxy.ts';

const API_PROCESSES = 2;
const WORKER_PROCESSES = 2;
const PASSWORD = 'chaos';
/**
 * Short, so that orders expire and their units are sold again within a round. About as long as a
 * late payment takes.
 */
const PAYMENT_TIMEOUT_S = 3;

export const DB_NAME = 'chaos';
export const OPERATOR_TOKEN = 'chaos-operator';

/** A private server that is killed, frozen and started again with the same port and data. */
export class Server {
  readonly #start: (port?: number) => Promise<PrivateServer>;
  #running: PrivateServer;

  constructor(running: PrivateServer, start: (port?: number) => Promise<PrivateServer>) {
    this.#running = running;
    this.#start = start;
  }

  get port(): number {
    return this.#running.port;
  }

  async kill(): Promise<void> {
    this.#running.kill('SIGKILL');
    await this.#running.exited;
  }

  freeze(): void {
    this.#running.kill('SIGSTOP');
  }

  thaw(): void {
    this.#running.kill('SIGCONT');
  }

  /** Starts it again on the same port, and waits until it answers. */
  async start(): Promise<void> {
    this.#running = await this.#start(this.#running.port);
  }

  async stop(): Promise<void> {
    await this.#running.stop(10_000);
  }
}

/**
 * The system under test: two api and two worker processes, private servers, and a proxy in front of
 * each server.
 */
export interface Cluster {
  readonly redis: Server;
  readonly mysql: Server;
  readonly redisProxy: Proxy;
  readonly mysqlProxy: Proxy;
  readonly apis: readonly ServiceProcess[];
  readonly workers: readonly ServiceProcess[];
  readonly apiPorts: readonly number[];
  readonly password: string;
  readonly mysqlUser: string;
  readonly logsFolder: string;
  /** Processes that ended unexpectedly. */
  readonly crashes: string[];
  /** Starts another Redis as a replica of the run's Redis, with its present data. */
  startRedisReplica(): Promise<RedisReplica>;
  /** Deletes the files of a stopped Redis. */
  emptyRedis(): void;
  /** Cuts the end off the append-only file of a stopped Redis. Returns the number of bytes cut. */
  truncateRedis(share: number): number;
  /** Ends everything and deletes the files. Safe to call twice. */
  close(): Promise<void>;
}

/** A replica of the run's Redis, in step with it. Dispose of it when the fault is over. */
export interface RedisReplica extends AsyncDisposable {
  readonly port: number;
  /** Promotes it to a master. */
  promote(): Promise<void>;
}

async function startRedisReplica(dataDir: string, masterPort: number): Promise<RedisReplica> {
  const name = 'redis-replica';
  const flags = ['--replicaof', '127.0.0.1', String(masterPort)];
  const server = await startRedis({ dataDir, name, password: PASSWORD, flags });
  const client = new Redis({ host: '127.0.0.1', port: server.port, password: PASSWORD, lazyConnect: true });
  client.on('error', () => undefined);
  await client.connect();
  await untilInStep(client);
  return {
    port: server.port,
    promote: async () => void (await client.call('REPLICAOF', 'NO', 'ONE')),
    async [Symbol.asyncDispose]() {
      client.disconnect();
      await server.stop(5_000);
      rmSync(join(dataDir, name), { recursive: true, force: true });
    },
  };
}

/** Starts everything from the source tree under test. */
export async function startCluster(dataDir: string, tree: string): Promise<Cluster> {
  const redisFolder = join(dataDir, 'redis');
  const startOwnRedis = (port?: number) =>
    startRedis({ dataDir, password: PASSWORD, ...(port === undefined ? {} : { port }) });
  const startOwnMysql = (port?: number) =>
    startMysql({ dataDir, password: PASSWORD, ...(port === undefined ? {} : { port }) });
  const [runningRedis, runningMysql] = await Promise.all([startOwnRedis(), startOwnMysql()]);
  const redis = new Server(runningRedis, startOwnRedis);
  const mysql = new Server(runningMysql, startOwnMysql);
  const redisProxy = new Proxy(redis.port);
  const mysqlProxy = new Proxy(mysql.port);
  const crashes: string[] = [];

  const apiPorts = await Promise.all(Array.from({ length: API_PROCESSES }, () => freePort()));
  const make = async (kind: 'api' | 'worker', index: number): Promise<ServiceProcess> => {
    const name = `${kind}-${index + 1}`;
    // A worker has no port of its own: an api process gets the provider's confirmation of its
    // calls.
    const port = apiPorts[index % API_PROCESSES]!;
    const [opsPort, redisPort, mysqlPort] = await Promise.all([
      freePort(),
      redisProxy.listen(name),
      mysqlProxy.listen(name),
    ]);
    const env = {
      PATH: process.env['PATH'],
      NODE_ENV: 'test',
      LOG_LEVEL: 'info',
      SERVER_HOST: '127.0.0.1',
      SERVER_PORT: String(port),
      API_OPS_PORT: String(opsPort),
      WORKER_OPS_PORT: String(opsPort),
      DB_HOST: '127.0.0.1',
      DB_PORT: String(mysqlPort),
      DB_USER: privateMysqlUser,
      DB_PASSWORD: PASSWORD,
      DB_NAME,
      REDIS_ADDR: `127.0.0.1:${redisPort}`,
      REDIS_PASSWORD: PASSWORD,
      ADMIN_TOKEN: OPERATOR_TOKEN,
      PAYMENT_TIMEOUT_SECONDS: String(PAYMENT_TIMEOUT_S),
      // Shoppers of a waiting room who have left must not keep the last units from those who come.
      PASS_SECONDS: '1',
      PASSES_PER_UNIT: '100',
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      RATE_LIMIT_GLOBAL_CAPACITY: '1000000',
      RATE_LIMIT_GLOBAL_PER_SECOND: '1000000',
      RATE_LIMIT_USER_CAPACITY: '1000',
      RATE_LIMIT_USER_PER_SECOND: '1000',
      RATE_LIMIT_LEDGER: '1000/1000',
    };
    const readyUrl = `http://127.0.0.1:${opsPort}/readyz`;
    const onCrash = (how: string) => crashes.push(how);
    const program = `packages/${kind}/src/main.ts`;
    return new ServiceProcess({ name, program, tree, dataDir, env, readyUrl, onCrash });
  };
  const processes = await Promise.all([
    ...Array.from({ length: API_PROCESSES }, (_, i) => make('api', i)),
    ...Array.from({ length: WORKER_PROCESSES }, (_, i) => make('worker', i)),
  ]);
  const close = async (): Promise<void> => {
    await Promise.all(processes.map((process) => process.stop(1_000)));
    await Promise.all([redisProxy.close(), mysqlProxy.close()]);
    await Promise.all([redis.stop(), mysql.stop()]);
  };
  try {
    await Promise.all(processes.map((process) => process.start()));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    redis,
    mysql,
    redisProxy,
    mysqlProxy,
    apis: processes.slice(0, API_PROCESSES),
    workers: processes.slice(API_PROCESSES),
    apiPorts,
    password: PASSWORD,
    mysqlUser: privateMysqlUser,
    logsFolder: join(dataDir, 'logs'),
    crashes,
    startRedisReplica: () => startRedisReplica(dataDir, redis.port),
    emptyRedis: () => rmSync(join(redisFolder, 'appendonlydir'), { recursive: true, force: true }),
    truncateRedis: (share) => truncateAof(join(redisFolder, 'appendonlydir'), share),
    close,
  };
}
