import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '@flash-sale/shared/platform/config/config.ts';
import { connectDb } from '@flash-sale/shared/platform/mysql/client.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { launchProcess, type LaunchedProcess } from '../testing/service.ts';
import { openOwnMysql, openOwnRedis, type OwnServer } from '../testing/own-servers.ts';

const TEST_MS_MAX = 90_000;
/** Runs a program as the first process of a PID namespace. */
const UNSHARE = ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--kill-child'];
const canUnshare = spawnSync(UNSHARE[0]!, [...UNSHARE.slice(1), 'true'], { timeout: 10_000 }).status === 0;
/** A process that obeys a signal at once, on a machine that is busy with other things. */
const AT_ONCE_MS = 2_000;

let mysql: OwnServer;
let redis: OwnServer;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  [mysql, redis] = await Promise.all([openOwnMysql(), openOwnRedis()]);
  env = { ...mysql.env, ...redis.env, SERVER_PORT: '0', DB_NAME: 'cold_start' };
}, TEST_MS_MAX);
afterAll(async () => {
  await Promise.all([mysql?.close(), redis?.close()]);
});

function launch(...parameters: Parameters<typeof launchProcess>): LaunchedProcess {
  const launched = launchProcess(...parameters);
  onTestFinished(async () => {
    launched.child.kill('SIGKILL');
    await launched.exited;
  });
  return launched;
}

async function probe(port: number, path: string): Promise<[status: number, body: unknown]> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`);
  return [answer.status, await answer.json()];
}

function withUnknownRedisUser(): Record<string, string> {
  const { REDIS_ADDR, REDIS_PASSWORD: _, ...others } = env;
  return { ...others, REDIS_URL: `redis://nobody:wrong@${REDIS_ADDR}` };
}

const notReady = (servers: object) => [503, { status: 'not_ready', ...servers }];

async function opsPortOf(launched: LaunchedProcess): Promise<number> {
  return (await launched.says('starting')).ops_port!;
}

describe.each(['api', 'worker'] as const)('the start of an %s process', (name) => {
  it(
    'while MySQL and Redis are away: it waits alive and not ready, and is ready when both are there',
    async () => {
      await Promise.all([mysql.kill(), redis.kill()]);
      const launched = launch(name, env);
      const port = await opsPortOf(launched);

      expect(await probe(port, '/healthz')).toEqual([200, { status: 'ok' }]);
      expect(await probe(port, '/readyz')).toEqual(notReady({ redis: false, mysql: false }));
      expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(200);
      await launched.says('waiting for MySQL');

      await mysql.restart();
      await launched.says('waiting for Redis');
      await expect.poll(() => probe(port, '/readyz'), SOON).toEqual(notReady({ redis: false, mysql: true }));
      expect(await probe(port, '/healthz')).toEqual([200, { status: 'ok' }]);

      await redis.restart();
      await launched.says(`${name} ready`);
      const ready = [200, { status: 'ready', redis: true, mysql: true }];
      await expect.poll(() => probe(port, '/readyz'), SOON).toEqual(ready);
      launched.child.kill('SIGTERM');
      expect(await launched.exited).toEqual([0, null]);
    },
    TEST_MS_MAX,
  );

  it.each([
    ['MySQL', () => ({ ...env, DB_PASSWORD: 'wrong' }), /^MySQL: the user or the password is wrong\n$/],
    ['Redis', withUnknownRedisUser, /^Redis: the user or the password is wrong\n$/],
  ])(
    'with a wrong password of %s: it ends and prints one line',
    async (_, wrongEnv, line) => {
      const launched = launch(name, wrongEnv());
      expect(await launched.exited).toEqual([1, null]);
      expect(launched.complaints()).toMatch(line);
    },
    TEST_MS_MAX,
  );

  it(
    'without the right on its database: it ends and prints one line',
    async () => {
      const root = connectDb(loadConfig({ ...env, DB_NAME: 'mysql' }), 'schema');
      onTestFinished(() => root.destroy());
      for (const statement of [
        `DROP USER IF EXISTS nobody@'127.0.0.1'`,
        `CREATE USER nobody@'127.0.0.1' IDENTIFIED BY 'p'`,
      ])
        await sql.raw(statement).execute(root);
      const launched = launch(name, { ...env, DB_USER: 'nobody', DB_PASSWORD: 'p' });
      expect(await launched.exited).toEqual([1, null]);
      expect(launched.complaints()).toBe('MySQL: the user may not use the database: grant the rights\n');
    },
    TEST_MS_MAX,
  );

  it(
    'that waits for its servers ends at once on SIGTERM',
    async () => {
      const launched = launch(name, { ...env, DB_HOST: '127.0.0.1', DB_PORT: '1' });
      await launched.says('waiting for MySQL');
      const askedMs = performance.now();
      launched.child.kill('SIGTERM');
      expect(await launched.exited).toEqual([0, null]);
      expect(performance.now() - askedMs).toBeLessThan(AT_ONCE_MS);
    },
    TEST_MS_MAX,
  );

  // The kernel ignores a signal without a handler for the first process of a container.
  it.runIf(canUnshare)(
    'as the first process of a container: a SIGTERM while it loads ends it',
    async () => {
      const launched = launch(name, env, UNSHARE);
      const { pid } = launched.child;
      const firstProcess = () => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'));
      await expect.poll(firstProcess, SOON).toBeGreaterThan(0);
      const first = firstProcess();

      // Node itself takes some milliseconds to get as far as the first line of the program.
      const ended = launched.exited.then(() => true);
      // By the program, which does not mind if the process has just ended.
      do spawnSync('kill', ['-TERM', String(first)], { timeout: 10_000 });
      while (!(await Promise.race([ended, delay(20, false)])));
      // Before the first line and at the very end the handlers are Node's own: then one of the
      // signals can end the process itself.
      expect([
        [0, null],
        [null, 'SIGTERM'],
      ]).toContainEqual(await launched.exited);
      expect(launched.log.map(({ msg }) => msg)).not.toContain(`${name} ready`);
    },
    TEST_MS_MAX,
  );
});
