import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { awaitReady } from './await-ready.ts';
import { launch } from './launch.ts';
import { pingRedis } from './ping.ts';
import { startOnPort, type PrivateServer } from './private-server.ts';
import { findRedisProgram, searchFolders } from './programs.ts';
import { StartFailure } from './start-failure.ts';

export interface SentinelOptions {
  /** The common folder of related servers. */
  dataDir: string;
  name: string;
  /** The master to watch: name, port on loopback, and the password of master and replicas. */
  master: { name: string; port: number; password: string };
  /** The number of Sentinels that must agree that the master is down. */
  quorum: number;
  /** A master that has not answered for this long is down. */
  downAfterMs: number;
  /** The Sentinel's own password. Letters and digits. */
  password: string;
}

/**
 * Starts a private Redis Sentinel on loopback. It finds the replicas by itself, and promotes one if
 * the master is gone.
 */
export async function startSentinel(options: SentinelOptions): Promise<PrivateServer> {
  const { dataDir, name, password } = options;
  const program = findRedisProgram(searchFolders(process.env));
  if (!program) throw new StartFailure('this needs the program redis-server (7.0 or later)');
  const folder = join(dataDir, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return startOnPort(undefined, async (port) => {
    const launched = await launch({
      name,
      kind: 'server',
      dataDir,
      program: program.path,
      argv0: 'redis-server',
      args: [writeConfiguration(folder, port, options), '--sentinel'],
    });
    await awaitReady(launched, () => pingRedis({ host: '127.0.0.1', port, password }), { limitMs: 60_000 });
    return launched;
  });
}

/** Sentinel stores its state in the same file. */
function writeConfiguration(folder: string, port: number, options: SentinelOptions): string {
  const { master, quorum, downAfterMs, password } = options;
  const path = join(folder, 'sentinel.conf');
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${JSON.stringify(folder)}`,
    'daemonize no',
    `requirepass ${password}`,
    `sentinel sentinel-pass ${password}`,
    `sentinel monitor ${master.name} 127.0.0.1 ${master.port} ${quorum}`,
    `sentinel auth-pass ${master.name} ${master.password}`,
    `sentinel down-after-milliseconds ${master.name} ${downAfterMs}`,
    `sentinel failover-timeout ${master.name} 10000`,
  ];
  writeFileSync(path, `${settings.join('\n')}\n`, { mode: 0o600 });
  return path;
}
