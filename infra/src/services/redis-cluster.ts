import { Redis } from 'ioredis';
import { awaitAnswer } from './await-ready.ts';
import { freePort } from './ports.ts';
import type { PrivateServer } from './private-server.ts';
import { startRedis } from './redis.ts';
import { StartFailure } from './start-failure.ts';

const SLOTS = 16_384;
/** A master that has not answered the others for this long counts as failed. */
const NODE_TIMEOUT_MS = 1_000;
const FORMED_MS_MAX = 30_000;

export interface RedisClusterOptions {
  /** The common folder of related servers. */
  dataDir: string;
  password: string;
  masters?: number;
}

/**
 * A private Redis Cluster on loopback: masters without replicas, which share the slots evenly, in
 * order.
 */
export interface RedisCluster {
  /** `host:port` of every master, separated by commas. */
  readonly address: string;
  readonly masters: readonly ClusterMaster[];
}

export interface ClusterMaster {
  readonly port: number;
  /** The first and the last of its slots. */
  readonly slots: readonly [first: number, last: number];
  /** Sends SIGKILL. Resolves when the process is gone. */
  readonly kill: () => Promise<void>;
  /** Answers no more calls but keeps its connections open, like a hanging server. */
  readonly freeze: () => void;
  readonly thaw: () => void;
  /** Starts it again with the same port, data and slots. */
  readonly restart: () => Promise<void>;
}

/**
 * Starts a cluster in which each master works alone: full coverage is off, so that a dead master
 * only affects its own slots.
 */
export async function startRedisCluster(options: RedisClusterOptions): Promise<RedisCluster> {
  const { dataDir, password, masters = 3 } = options;
  const started = await Promise.all(
    Array.from({ length: masters }, (_, i) => startMaster({ dataDir, password, name: `redis-cluster-${i}` })),
  );
  await Promise.all(
    started.map((master, i) => {
      const [first, last] = slotsOf(i, masters);
      return call(master.port, password, (redis) => redis.cluster('ADDSLOTSRANGE', first, last));
    }),
  );
  const [first, ...others] = started;
  for (const other of others) {
    await call(first!.port, password, (redis) => redis.call('CLUSTER', 'MEET', '127.0.0.1', other.port, other.busPort));
  }
  const formed = async (): Promise<void> => {
    for (const { port } of started) {
      const info = await call(port, password, (redis) => redis.cluster('INFO'));
      if (!info.includes('cluster_state:ok') || !info.includes(`cluster_size:${masters}`))
        throw new StartFailure('not all masters have joined the cluster');
    }
  };
  await awaitAnswer(formed, { limitMs: FORMED_MS_MAX });
  return {
    address: started.map(({ port }) => `127.0.0.1:${port}`).join(','),
    masters: started.map((master, i) => Object.assign(master, { slots: slotsOf(i, masters) })),
  };
}

function slotsOf(master: number, masters: number): [first: number, last: number] {
  const from = (i: number): number => Math.floor((i * SLOTS) / masters);
  return [from(master), from(master + 1) - 1];
}

interface StartedMaster extends Omit<ClusterMaster, 'slots'> {
  readonly busPort: number;
}

async function startMaster(options: { dataDir: string; password: string; name: string }): Promise<StartedMaster> {
  // The default is the port plus 10,000, which may not be free, or not be a valid port.
  const busPort = await freePort();
  const settings = {
    'cluster-enabled': 'yes',
    'cluster-port': String(busPort),
    'cluster-node-timeout': String(NODE_TIMEOUT_MS),
    'cluster-require-full-coverage': 'no',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  let server: PrivateServer = await startRedis({ ...options, flags });
  const { port } = server;
  return {
    port,
    busPort,
    async kill() {
      server.kill('SIGKILL');
      await server.exited;
    },
    freeze: () => server.kill('SIGSTOP'),
    thaw: () => server.kill('SIGCONT'),
    async restart() {
      server = await startRedis({ ...options, flags, port });
    },
  };
}

async function call<Reply>(port: number, password: string, work: (redis: Redis) => Promise<Reply>): Promise<Reply> {
  const redis = new Redis({ host: '127.0.0.1', port, password, maxRetriesPerRequest: 0 });
  redis.on('error', () => undefined);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
