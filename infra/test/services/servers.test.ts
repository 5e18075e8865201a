import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { createConnection } from 'mysql2/promise';
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import { pingMysql, pingRedis } from '../../src/services/ping.ts';
import { findRedisProgram, searchFolders } from '../../src/services/programs.ts';
import { endRecorded, readRunRecords } from '../../src/services/run-records.ts';
import { startServers, type Servers } from '../../src/services/servers.ts';
import { freePort } from '../../src/services/ports.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const { PATH } = process.env;
const log = () => {};

const redisOf = ({ env }: Pick<Servers, 'env'>) => {
  const [host = '', port] = (env['REDIS_ADDR'] ?? '').split(':');
  return { host, port: Number(port), password: env['REDIS_PASSWORD'] };
};

const mysqlOf = ({ env }: Pick<Servers, 'env'>) => ({
  host: env['DB_HOST'] ?? '',
  port: Number(env['DB_PORT']),
  user: env['DB_USER'] ?? '',
  password: env['DB_PASSWORD'] ?? '',
});

async function redis<Reply>(servers: Servers, use: (client: Redis) => Promise<Reply>) {
  const { host, port, password = '' } = redisOf(servers);
  const client = new Redis({ host, port, password, retryStrategy: () => null });
  try {
    return await use(client);
  } finally {
    client.disconnect();
  }
}

async function query(servers: Servers, sql: string): Promise<unknown[]> {
  const connection = await createConnection(mysqlOf(servers));
  try {
    const [rows] = await connection.query(sql);
    return rows as unknown[];
  } finally {
    await connection.end();
  }
}

const pidOf = (dataDir: string, name: string): number => {
  const record = readRunRecords(dataDir).get(name);
  if (!record || record.kind === 'container') throw new Error(`${name} is not recorded`);
  return record.pid;
};

describe('private servers', () => {
  test("start without root's accounts or an open Redis, durable, and keep what they stored", async () => {
    const dataDir = temporaryFolder();
    const first = await startServers({ dataDir, env: { PATH }, log });
    expect(await query(first, "SELECT user FROM mysql.user WHERE user IN ('root', '')")).toEqual([]);
    const settings =
      '@@innodb_flush_log_at_trx_commit AS durable, @@innodb_flush_method AS method, @@time_zone AS zone';
    expect(await query(first, `SELECT ${settings}`)).toEqual([
      { durable: 1, method: expect.not.stringMatching(/^nosync$/), zone: '+00:00' },
    ]);
    await expect(pingMysql({ ...mysqlOf(first), password: 'wrong' })).rejects.toThrow(/denied/i);
    await expect(pingRedis({ ...redisOf(first), password: undefined })).rejects.toThrow(/auth/i);
    const fsync = await redis(first, (client) => client.config('GET', 'appendfsync'));
    expect(fsync).toEqual(['appendfsync', 'always']);

    await query(first, 'CREATE DATABASE kept');
    await redis(first, (client) => client.set('kept', 'yes'));
    await first.stop();
    expect(readRunRecords(dataDir).size).toBe(0);
    await expect(pingMysql(mysqlOf(first))).rejects.toThrow(/REFUSED/);

    const second = await startServers({ dataDir, env: { PATH }, log });
    expect(await query(second, "SHOW DATABASES LIKE 'kept'")).toHaveLength(1);
    expect(await redis(second, (client) => client.get('kept'))).toBe('yes');
    await second.stop();
  });

  test('come back on their old ports after a kill -9', async () => {
    const dataDir = temporaryFolder();
    const servers = await startServers({ dataDir, env: { PATH }, log });
    onTestFinished(() => servers.stop());
    await query(servers, 'CREATE DATABASE kept');
    const before = [pidOf(dataDir, 'redis'), pidOf(dataDir, 'mysql')];
    for (const pid of before) process.kill(pid, 'SIGKILL');
    await vi.waitFor(
      async () => {
        expect(await pingRedis(redisOf(servers))).not.toBe(before[0]);
        expect(await query(servers, "SHOW DATABASES LIKE 'kept'")).toHaveLength(1);
      },
      { timeout: 20_000 },
    );
    expect(before).not.toContain(pidOf(dataDir, 'mysql'));
  });

  test('that outlive a killed starter are ended by the next one', async () => {
    const dataDir = temporaryFolder();
    const starter = spawn(process.execPath, [join(import.meta.dirname, '../stubs/start-servers.ts'), dataDir], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    onTestFinished(() => void starter.kill('SIGKILL'));
    const [line] = (await once(createInterface(starter.stdout), 'line')) as [string];
    const left = { env: JSON.parse(line) as Record<string, string> };
    starter.kill('SIGKILL');
    await once(starter, 'exit');
    await pingMysql(mysqlOf(left));
    expect(await endRecorded(dataDir)).toEqual(['mysql', 'redis']);
    await expect(pingMysql(mysqlOf(left))).rejects.toThrow(/REFUSED/);
    await expect(pingRedis(redisOf(left))).rejects.toThrow(/REFUSED/);
  });

  test('leave nothing running when their start is given up', async () => {
    const dataDir = temporaryFolder();
    const stopping = new AbortController();
    const starting = startServers({ dataDir, env: { PATH }, log, signal: stopping.signal });
    await vi.waitFor(() => expect(readRunRecords(dataDir).size).toBeGreaterThan(0));
    stopping.abort();
    await expect(starting).rejects.toBe(stopping.signal.reason);
    expect(readRunRecords(dataDir).size).toBe(0);
  });
});

describe('given servers', () => {
  test('are used as they are and outlive a stop', async () => {
    const given = inject('servers');
    const dataDir = temporaryFolder();
    const servers = await startServers({ dataDir, env: { PATH, ...given }, log });
    expect(servers.env).toEqual(given);
    await servers.stop();
    await pingMysql(mysqlOf(servers));
    await pingRedis(redisOf(servers));
    expect(readRunRecords(dataDir).size).toBe(0);
  });

  test.each([
    ['REDIS_ADDR', (port: number) => ({ REDIS_ADDR: `127.0.0.1:${port}` })],
    ['DB_HOST', (port: number) => ({ DB_HOST: '127.0.0.1', DB_PORT: String(port) })],
  ])('that do not answer are a failure that names %s', async (name, address) => {
    const env = { PATH, ...address(await freePort()) };
    const starting = startServers({ dataDir: temporaryFolder(), env, log });
    await expect(starting).rejects.toThrow(new RegExp(`${name}=.* does not answer: .*REFUSED`));
  });
});

describe('if there are no programs', () => {
  /** A folder with nothing in it but these shell scripts. */
  function folderWith(scripts: Record<string, string>): string {
    const folder = join(temporaryFolder(), 'bin');
    mkdirSync(folder);
    for (const [name, script] of Object.entries(scripts)) {
      writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(folder, name), 0o755);
    }
    return folder;
  }

  test('one message names all four ways to have servers', async () => {
    const folder = folderWith({});
    const env = { PATH: folder };
    const options = { dataDir: temporaryFolder(), env, log, folders: [folder] };
    await expect(startServers(options)).rejects.toThrow(
      /no Redis .* and no MySQL .*REDIS_ADDR.*redis-server.*Docker.*apt-get.*Homebrew/s,
    );
  });

  test('versions that are too old are ignored', () => {
    const folder = folderWith({ 'redis-server': 'echo Redis server v=6.2.14 sha=0' });
    expect(findRedisProgram([folder])).toBeUndefined();
  });

  test.runIf(process.getuid?.() === 0)('apt-get installs them for root, and no service', async () => {
    const program = findRedisProgram(searchFolders(process.env));
    const folder = folderWith({
      'apt-get': `echo "$@" >> "$0.calls"; [ "$1" = update ] || ln -s ${program?.path} "$(dirname "$0")/redis-server"`,
    });
    symlinkSync('/bin/ln', join(folder, 'ln'));
    symlinkSync('/usr/bin/dirname', join(folder, 'dirname'));
    const { DB_HOST, DB_PORT, DB_USER, DB_PASSWORD } = inject('servers');
    const env = { PATH: folder, DB_HOST, DB_PORT, DB_USER, DB_PASSWORD };
    const lines: string[] = [];
    const servers = await startServers({
      dataDir: temporaryFolder(),
      env,
      log: (line) => lines.push(line),
      folders: [folder],
    });
    onTestFinished(() => servers.stop());
    await pingRedis(redisOf(servers));
    expect(lines).toContain('apt-get install redis-tools');
  });
});
