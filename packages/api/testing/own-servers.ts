import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { startMysql, privateMysqlUser } from '../../../infra/src/services/mysql.ts';
import type { PrivateServer } from '../../../infra/src/services/private-server.ts';
import { startRedis } from '../../../infra/src/services/redis.ts';
import { openOwnFolder } from '@flash-sale/shared/testing/own-folder.ts';

/** A server for one test, which the test may freeze, kill and start again. */
export interface OwnServer {
  /** The environment of a context that uses it. */
  readonly env: Readonly<Record<string, string>>;
  /** It answers no more calls but keeps its connections open, as if its machine hangs. */
  freeze(): void;
  thaw(): void;
  /** SIGKILL; resolves once it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port and the same data. */
  restart(): Promise<void>;
  /** Ends it and deletes its data. */
  close(): Promise<void>;
}

export async function openOwnRedis(flags: string[] = []): Promise<OwnServer> {
  return ownServer(
    (dataDir, port) => startRedis({ dataDir, flags, ...port }),
    ({ host, port }) => ({
      REDIS_ADDR: `${host}:${port}`,
      REDIS_PASSWORD: '',
    }),
  );
}

export async function openOwnMysql(flags: string[] = []): Promise<OwnServer> {
  const password = 'ownMysql';
  return ownServer(
    (dataDir, port) => startMysql({ dataDir, password, flags, ...port }),
    ({ host, port }) => ({
      DB_HOST: host,
      DB_PORT: String(port),
      DB_USER: privateMysqlUser,
      DB_PASSWORD: password,
    }),
  );
}

async function ownServer(
  start: (dataDir: string, port: { port?: number }) => Promise<PrivateServer>,
  envOf: (server: PrivateServer) => Record<string, string>,
): Promise<OwnServer> {
  const folder = openOwnFolder();
  const { dataDir } = folder;
  let server = await start(dataDir, {});
  return {
    env: envOf(server),
    freeze() {
      server.kill('SIGSTOP');
      untilStopped(server.pid);
    },
    thaw: () => server.kill('SIGCONT'),
    async kill() {
      server.kill('SIGKILL');
      await server.exited;
    },
    async restart() {
      server = await start(dataDir, { port: server.port });
    },
    async close() {
      await server.stop();
      await folder.close();
    },
  };
}

/**
 * Waits until no thread of the process runs. On a busy machine another thread may still answer for
 * a moment after the signal.
 */
function untilStopped(pid: number): void {
  const tasks = `/proc/${pid}/task`;
  const endMs = performance.now() + 2_000;
  const isStopped = (task: string): boolean => {
    try {
      return /\) [TtZX] /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8'));
    } catch {
      // The thread has just ended.
      return false;
    }
  };
  while (existsSync(tasks) && performance.now() < endMs && !readdirSync(tasks).every(isStopped));
}
