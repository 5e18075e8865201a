import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchProcess, type LaunchedProcess } from '../testing/service.ts';
import { testContext } from '../testing/support.ts';
import { connectRaw, type RawConnection } from './attacks/raw-connection.ts';

const FILES = 300;

const context = await testContext();
let api: LaunchedProcess;
let port: number;

beforeAll(async () => {
  // The shell lowers the limit of the process.
  api = launchProcess('api', { ...context.env, SERVER_PORT: '0' }, ['sh', '-c', `ulimit -n ${FILES}; exec "$@"`, 'sh']);
  port = (await api.says('api ready')).port!;
});
afterAll(async () => {
  api.child.kill('SIGTERM');
  const [code] = await api.exited;
  if (code !== 0) throw new Error(`the api ended with code ${code}`);
});

const answered = async (connection: RawConnection, path: string): Promise<string> => {
  const before = connection.received().length;
  connection.send(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
  await Promise.race([once(connection.socket, 'data'), connection.closed]);
  return connection.received().slice(before);
};

it('more idle connections than the process may open files leave it those to its servers', async () => {
  const connections = await Promise.all(Array.from({ length: FILES + 100 }, () => connectRaw(port)));
  const open: RawConnection[] = [];
  // Each that is not cut off waits for its next request, for as long as a proxy's would.
  for (const connection of connections) {
    if ((await answered(connection, '/healthz')).startsWith('HTTP/1.1 200')) open.push(connection);
  }
  expect(open.length).toBeGreaterThan(FILES / 3);
  await expect.poll(() => api.log.some(({ msg }) => msg.startsWith('too many connections'))).toBe(true);
  // Idle connections to MySQL are closed after two seconds, so these need new ones.
  await expect
    .poll(async () => answered(open[0]!, '/readyz'), { interval: 1_000 })
    .toMatch(/"redis":true,"mysql":true/);
  for (const path of ['/api/v1/orders?user_id=alice', '/api/v1/products']) {
    await expect.poll(() => answered(open[1]!, path), { interval: 2_500 }).toMatch(/^HTTP\/1\.1 200/);
  }
  for (const { socket } of connections) socket.destroy();
});
