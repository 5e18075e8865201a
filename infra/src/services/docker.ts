import { createHash } from 'node:crypto';
import { awaitAnswer } from './await-ready.ts';
import { docker, removeContainer } from './docker-client.ts';
import { pingMysql, pingRedis } from './ping.ts';
import { freePort } from './ports.ts';
import { removeRunRecord, writeRunRecord } from './run-records.ts';
import { reasonOf, StartFailure } from './start-failure.ts';

export const redisImage = 'redis:7.4.2';
export const mysqlImage = 'mysql:8.4.4';

export interface ContainerOptions {
  dataDir: string;
  password: string;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}

export interface Container {
  readonly host: string;
  readonly port: number;
  readonly stop: () => Promise<void>;
}

/** A Redis in a container of our own, with the settings of a private server. */
export async function startRedisContainer(options: ContainerOptions): Promise<Container> {
  const { password } = options;
  return startContainer(options, {
    name: 'redis',
    image: redisImage,
    port: 6379,
    volume: '/data',
    environment: { REDIS_PASSWORD: password },
    // The container reads the password, so that it is in no argument list on this machine. The
    // image's entry point becomes the user `redis`.
    command: [
      'sh',
      '-c',
      'exec docker-entrypoint.sh redis-server --appendonly yes --appendfsync always --save "" --auto-aof-rewrite-min-size 256mb --hash-max-listpack-entries 64 --maxmemory-policy noeviction --lazyfree-lazy-expire yes --requirepass "$REDIS_PASSWORD"',
    ],
    ping: (port) => pingRedis({ host: '127.0.0.1', port, password }),
  });
}

/** A MySQL in a container of our own. Its user is `root`. */
export async function startMysqlContainer(options: ContainerOptions): Promise<Container> {
  const { password } = options;
  return startContainer(options, {
    name: 'mysql',
    image: mysqlImage,
    port: 3306,
    volume: '/var/lib/mysql',
    environment: { MYSQL_ROOT_PASSWORD: password },
    command: [
      '--skip-log-bin',
      '--innodb-flush-log-at-trx-commit=1',
      '--character-set-server=utf8mb4',
      '--default-time-zone=+00:00',
      '--max-connections=500',
    ],
    ping: (port) => pingMysql({ host: '127.0.0.1', port, user: 'root', password }),
  });
}

/** Deletes the volumes of a data folder's containers, if there are any. */
export async function removeVolumes(dataDir: string): Promise<void> {
  await docker(['volume', 'rm', '--force', volumeName(dataDir, 'redis'), volumeName(dataDir, 'mysql')]);
}

interface ContainerShape {
  name: string;
  image: string;
  port: number;
  volume: string;
  environment: Record<string, string>;
  command: string[];
  ping: (port: number) => Promise<unknown>;
}

async function startContainer(options: ContainerOptions, shape: ContainerShape): Promise<Container> {
  const { dataDir, log, signal } = options;
  const container = containerName(dataDir, shape.name);
  await removeContainer(container);
  const port = await freePort();
  writeRunRecord(dataDir, shape.name, { kind: 'container', container });
  const stop = async () => {
    await removeContainer(container);
    removeRunRecord(dataDir, shape.name);
  };
  try {
    log(`starting ${shape.image} in Docker (the first time fetches it)`);
    await docker(
      [
        'run',
        '--detach',
        `--name=${container}`,
        '--restart=unless-stopped',
        `--publish=127.0.0.1:${port}:${shape.port}`,
        `--volume=${volumeName(dataDir, shape.name)}:${shape.volume}`,
        // Names only: Docker reads the values from the environment of its command line.
        ...Object.keys(shape.environment).map((name) => `--env=${name}`),
        shape.image,
        ...shape.command,
      ],
      { env: shape.environment, signal },
    );
    await awaitAnswer(() => shape.ping(port), { limitMs: 120_000, signal });
  } catch (error) {
    await stop();
    signal?.throwIfAborted();
    throw new StartFailure(`${shape.image} did not start in Docker: ${reasonOf(error)}`);
  }
  return { host: '127.0.0.1', port, stop };
}

/** One set of containers for each data folder, so that two checkouts never share one. */
function containerName(dataDir: string, name: string): string {
  const checkout = createHash('sha256').update(dataDir).digest('hex').slice(0, 12);
  return `flash-sale-${checkout}-${name}`;
}

const volumeName = (dataDir: string, name: string) => `${containerName(dataDir, name)}-data`;
