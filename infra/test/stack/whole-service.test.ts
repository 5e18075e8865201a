import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { createConnection } from 'mysql2/promise';
import { expect, inject, onTestFinished, test } from 'vitest';
import { startStack } from '../../src/stack/stack.ts';
import { codeBlocksOf } from '../docs/pages.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const main = (name: string) => fileURLToPath(new URL(`../../../packages/${name}/src/main.ts`, import.meta.url));

/** A database of this test's own, dropped after it. */
function ownDatabase(): string {
  const name = `start_${randomBytes(6).toString('hex')}`;
  onTestFinished(async () => {
    const { DB_HOST, DB_PORT, DB_USER, DB_PASSWORD } = inject('servers');
    const address = { host: DB_HOST, port: Number(DB_PORT), user: DB_USER, password: DB_PASSWORD };
    const connection = await createConnection(address);
    await connection.query(`DROP DATABASE IF EXISTS ${name}`);
    await connection.end();
  });
  return name;
}

/** The whole service as `npm start` runs it, on data of this test's own. */
function startService() {
  const DB_NAME = ownDatabase();
  return startStack({
    dataDir: temporaryFolder(),
    env: {
      PATH: process.env['PATH'],
      SERVER_PORT: '0',
      API_OPS_PORT: '0',
      WORKER_OPS_PORT: '0',
      API_PROCESSES: '2',
      DB_NAME,
      REDIS_PREFIX: `${DB_NAME}:`,
      ...inject('servers'),
    },
    mains: { api: main('api'), worker: main('worker') },
    print: () => {},
    signal: new AbortController().signal,
  });
}

test('npm start opens a demo sale in which the walk-through buys a unit, pays for it, and cancels another', async () => {
  await using stack = await startService();
  const script = stack.walkThrough.slice(stack.walkThrough.indexOf('\nAPI='));
  const said = execFileSync('sh', ['-e'], { input: script, encoding: 'utf8', timeout: 25_000 });
  const order = /"order_no":"([^"]+)","status":"queued"/.exec(said)?.[1];
  expect(said).toMatch(new RegExp(`"order_no":"${order}","user_id":"alice".*"status":"pending_payment"`));
  expect(said).toMatch(new RegExp(`"order_no":"${order}","user_id":"alice".*"status":"paid".*"paid_at":`));
  expect(said).toMatch(/"user_id":"bob".*"status":"cancelled".*"closed_at":/);
});

test('the six calls of the README work in a POSIX shell after npm start', async () => {
  await using stack = await startService();
  const calls = codeBlocksOf('README.md').find((block) => block.startsWith('API='))!;
  const script = calls
    .replace('API=http://localhost:8080', `API=${stack.url}`)
    .replace('ADMIN_TOKEN=…', `ADMIN_TOKEN=${stack.adminToken}`);
  const said = execFileSync('sh', ['-e'], { input: script, encoding: 'utf8', timeout: 25_000 });
  expect(said.match(/^== \d/gm)).toHaveLength(6);
  expect(said).toMatch(/"items":\[\{"id":1,.*"status":"open"/);
  const order = /"order_no":"([^"]+)","status":"queued"/.exec(said)?.[1];
  expect(said).toMatch(new RegExp(`"order_no":"${order}","user_id":"carol".*"status":"pending_payment"`));
  expect(said).toMatch(/"payment_id":"pay_\w+","provider":"sandbox"/);
  expect(said).toMatch(/"accepted":1,"written":1/);
});
