import { onTestFinished } from 'vitest';
import { startRedis } from '../../../infra/src/services/redis.ts';
import { openOwnFolder } from './own-folder.ts';

/** A Redis for one test, which the test may kill and empty. */
export interface PrivateRedis {
  /** The environment of a process that uses it. */
  readonly env: Readonly<Record<string, string>>;
  kill(): Promise<void>;
  /** It answers no more calls but keeps its connections open, as if its machine hangs. */
  freeze(): void;
  thaw(): void;
  /** Starts it again on the same port with its data on disk. */
  restart(): Promise<void>;
}

/** Starts a Redis that ends with the test. */
export async function startPrivateRedis(): Promise<PrivateRedis> {
  const { dataDir, close } = openOwnFolder();
  onTestFinished(close);
  let server = await startRedis({ dataDir });
  return {
    env: { REDIS_ADDR: `${server.host}:${server.port}`, REDIS_PASSWORD: '' },
    async kill() {
      server.kill('SIGKILL');
      await server.exited;
    },
    freeze: () => server.kill('SIGSTOP'),
    thaw: () => server.kill('SIGCONT'),
    async restart() {
      server = await startRedis({ dataDir, port: server.port });
    },
  };
}
