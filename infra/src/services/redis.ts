import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { awaitReady } from './await-ready.ts';
import { launch } from './launch.ts';
import { pingRedis } from './ping.ts';
import { startOnPort, type PrivateServer } from './private-server.ts';
import { findRedisProgram, searchFolders, type RedisProgram } from './programs.ts';
import { StartFailure } from './start-failure.ts';

export interface RedisOptions {
  /** Default: the program on the machine. */
  program?: RedisProgram;
  /** The common folder of related servers. This one stores its data in `<dataDir>/<name>/`. */
  dataDir: string;
  name?: string;
  /** Default: any free port. Pass the port of an earlier run to keep the address. */
  port?: number;
  /** Letters and digits. */
  password?: string;
  /** More arguments, for example `["--cluster-enabled", "yes"]`. They override the usual ones. */
  flags?: string[];
  signal?: AbortSignal | undefined;
}

/**
 * Starts a private Redis on loopback. Accepted orders are durable (promise 6), so every write is on
 * disk before its reply, and nothing is ever evicted.
 */
export async function startRedis(options: RedisOptions): Promise<PrivateServer> {
  const { dataDir, name = 'redis', password, signal } = options;
  const program = options.program ?? findRedisProgram(searchFolders(process.env));
  if (!program) throw new StartFailure('this needs the program redis-server (7.0 or later)');
  const folder = join(dataDir, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });

  return startOnPort(options.port, async (port) => {
    const launched = await launch({
      name,
      kind: 'server',
      dataDir,
      program: program.path,
      argv0: 'redis-server',
      args: [writeConfiguration(folder, port, password), ...(options.flags ?? [])],
    });
    const answers = async () => {
      const pid = await pingRedis({ host: '127.0.0.1', port, password });
      if (pid !== launched.pid) throw new StartFailure(`port ${port} belongs to another Redis`);
    };
    await awaitReady(launched, answers, { limitMs: 60_000, signal });
    return launched;
  });
}

/** A file, since every user of the machine can read the arguments of a process. */
function writeConfiguration(folder: string, port: number, password: string | undefined): string {
  const path = join(folder, 'redis.conf');
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${JSON.stringify(folder)}`,
    'daemonize no',
    'appendonly yes',
    'appendfsync always',
    'save ""',
    // A rewrite uses a core for seconds, and by default the first one starts 50,000 buys into a
    // sale. Loading 256 MB takes four seconds.
    'auto-aof-rewrite-min-size 256mb',
    // By default, hashes of up to 512 fields are lists, searched from the start: buckets and
    // owners.
    'hash-max-listpack-entries 64',
    'maxmemory-policy noeviction',
    // A replica gets its data at once. By default it waits 5 s for others to come.
    'repl-diskless-sync-delay 0',
    // A hash of many seckill tokens that were not used expires as a whole.
    'lazyfree-lazy-expire yes',
    ...(password ? [`requirepass ${password}`, `masterauth ${password}`] : []),
  ];
  writeFileSync(path, `${settings.join('\n')}\n`, { mode: 0o600 });
  return path;
}
