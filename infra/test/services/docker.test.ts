import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, onTestFinished, test, vi } from 'vitest';
import { pingRedis } from '../../src/services/ping.ts';
import { findRedisProgram, searchFolders } from '../../src/services/programs.ts';
import { endRecorded, readRunRecords } from '../../src/services/run-records.ts';
import { startServers } from '../../src/services/servers.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const redisProgram = findRedisProgram(searchFolders(process.env));

/**
 * Puts a `docker` first in PATH that records its calls and, if it should run a container, runs the
 * machine's own Redis on the published port. It shows that the right thing is asked for; whether
 * the image then does it takes a real engine.
 */
function standInForDocker(): string {
  const folder = join(temporaryFolder(), 'bin');
  mkdirSync(folder);
  const calls = join(folder, 'calls');
  const script = `#!/bin/sh
echo "$*" >> '${calls}'
case $1 in
  run)
    port=$(echo "$*" | sed 's/.*127.0.0.1:\\([0-9]*\\):6379.*/\\1/')
    cd '${folder}' && ln -s '${redisProgram?.path}' redis-server
    ./redis-server --port "$port" --bind 127.0.0.1 --requirepass "$REDIS_PASSWORD" --daemonize yes --pidfile '${folder}/pid' ;;
  rm) kill -9 "$(cat '${folder}/pid')" && rm '${folder}/pid' ;;
esac
`;
  writeFileSync(join(folder, 'docker'), script);
  chmodSync(join(folder, 'docker'), 0o755);
  vi.stubEnv('PATH', `${folder}:${process.env['PATH']}`);
  onTestFinished(() => void vi.unstubAllEnvs());
  return calls;
}

test.runIf(redisProgram)('if an engine answers, a missing server runs in a container', async () => {
  const calls = standInForDocker();
  const dataDir = temporaryFolder();
  const { DB_HOST, DB_PORT, DB_USER, DB_PASSWORD } = inject('servers');
  const env = { PATH: process.env['PATH'], DB_HOST, DB_PORT, DB_USER, DB_PASSWORD };
  const servers = await startServers({ dataDir, env, log: () => {}, folders: [] });

  const port = Number(servers.env['REDIS_ADDR']?.split(':')[1]);
  await pingRedis({ host: '127.0.0.1', port, password: servers.env['REDIS_PASSWORD'] });
  const run = readFileSync(calls, 'utf8')
    .split('\n')
    .find((call) => call.startsWith('run '));
  expect(run).toMatch(/--detach --name=flash-sale-\w{12}-redis .*--publish=127\.0\.0\.1:\d+:6379 .*redis:\d/);
  expect(run).not.toContain(servers.env['REDIS_PASSWORD']);
  expect([...readRunRecords(dataDir).values()]).toMatchObject([{ kind: 'container' }]);

  // As after a SIGKILL of the starting process: only the record is left.
  expect(await endRecorded(dataDir)).toEqual(['redis']);
  // A server that is being ended may still take the connection, and resets it.
  await expect(pingRedis({ host: '127.0.0.1', port })).rejects.toThrow(/REFUSED|RESET/);
});
