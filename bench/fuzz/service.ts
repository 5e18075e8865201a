import { freePort } from '@flash-sale/infra/services/ports.ts';
import { privateMysqlUser, startMysql } from '@flash-sale/infra/services/mysql.ts';
import { startRedis } from '@flash-sale/infra/services/redis.ts';
import { ServiceProcess } from '../stage/service-process.ts';
import type { StateAddress } from './state.ts';

const PASSWORD = 'fuzz';
const DATABASE = 'fuzz';

/** One api and one worker process on private servers, with access to their state. */
export interface FuzzedService {
  readonly port: number;
  readonly state: StateAddress;
  /** Processes that ended unexpectedly. */
  readonly crashes: readonly string[];
  /**
   * The number of drifts that the auditor found. It repairs them, so that the final state does not
   * show them.
   */
  drifts(): Promise<number>;
  close(): Promise<void>;
}

/** The credentials in the service's settings. */
export interface Credentials {
  readonly operatorToken: string;
  readonly viewerToken: string;
  readonly accessTokenSecret: string;
}

/**
 * Starts the service of the tree with limits that no request of the run reaches, and without
 * actions that depend on the clock alone.
 */
export async function startFuzzedService(
  dataDir: string,
  tree: string,
  credentials: Credentials,
): Promise<FuzzedService> {
  const [redis, mysql, port, apiOps, workerOps] = await Promise.all([
    startRedis({ dataDir, password: PASSWORD, flags: ['--enable-debug-command', 'local'] }),
    startMysql({ dataDir, password: PASSWORD }),
    freePort(),
    freePort(),
    freePort(),
  ]);
  const crashes: string[] = [];
  const make = (kind: 'api' | 'worker', opsPort: number): ServiceProcess => {
    const env = {
      PATH: process.env['PATH'],
      NODE_ENV: 'test',
      SERVER_HOST: '127.0.0.1',
      SERVER_PORT: String(port),
      API_OPS_PORT: String(opsPort),
      WORKER_OPS_PORT: String(opsPort),
      DB_PORT: String(mysql.port),
      DB_USER: privateMysqlUser,
      DB_PASSWORD: PASSWORD,
      DB_NAME: DATABASE,
      REDIS_ADDR: `127.0.0.1:${redis.port}`,
      REDIS_PASSWORD: PASSWORD,
      AUTH_MODE: 'jwt',
      JWT_SECRET: credentials.accessTokenSecret,
      ADMIN_TOKEN: credentials.operatorToken,
      VIEWER_TOKEN: credentials.viewerToken,
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      TOKEN_TTL_SECONDS: '86400',
      PAYMENT_TIMEOUT_SECONDS: '604800',
      EVENT_LOOP_DELAY_MAX_MS: '60000',
      RATE_LIMIT_GLOBAL_CAPACITY: '1000000',
      RATE_LIMIT_GLOBAL_PER_SECOND: '1000000',
      RATE_LIMIT_USER_CAPACITY: '1000000',
      RATE_LIMIT_USER_PER_SECOND: '1000000',
      TRUSTED_PROXIES: '127.0.0.1',
      RATE_LIMIT_IP: '1000000/1000000',
      RATE_LIMIT_LEDGER: '1000000/1000000',
    };
    return new ServiceProcess({
      name: kind,
      program: `packages/${kind}/src/main.ts`,
      tree,
      dataDir,
      env,
      readyUrl: `http://127.0.0.1:${opsPort}/readyz`,
      onCrash: (how) => crashes.push(how),
    });
  };
  const processes = [make('api', apiOps), make('worker', workerOps)];
  const close = async (): Promise<void> => {
    await Promise.all(processes.map((process) => process.stop()));
    await Promise.all([redis.stop(10_000), mysql.stop(10_000)]);
  };
  try {
    await Promise.all(processes.map((process) => process.start()));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    port,
    state: {
      mysql: { port: mysql.port, user: privateMysqlUser, password: PASSWORD, database: DATABASE },
      redis: { port: redis.port, password: PASSWORD },
    },
    crashes,
    drifts: () => driftsOf(workerOps),
    close,
  };
}

async function driftsOf(opsPort: number): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${opsPort}/metrics`)).text();
  return Number(/^seckill_drifts_total\{.*\} (\d+)$/m.exec(metrics)![1]);
}
