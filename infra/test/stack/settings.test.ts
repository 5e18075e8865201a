import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { freePort, portProblem } from '../../src/services/ports.ts';
import { loadStackSettings, portMessage } from '../../src/stack/settings.ts';

async function takenPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

test('a privileged port and a taken one are told apart', () => {
  expect(portMessage('SERVER_PORT', 80, 'EACCES')).toMatch(/no permission to listen on port 80.*Set SERVER_PORT/);
  expect(portMessage('SERVER_PORT', 80, 'EADDRINUSE')).toMatch(/port 80 is taken.*set SERVER_PORT/);
});

/** The first of two neighbours that are both free. */
async function freeNeighbours(): Promise<number> {
  const port = await freePort();
  return (await portProblem(port + 1)) === undefined ? port : freeNeighbours();
}

test('ops ports count up from theirs', async () => {
  const port = await freeNeighbours();
  const env = { SERVER_PORT: '0', API_OPS_PORT: String(port), API_PROCESSES: '2', WORKER_OPS_PORT: '0' };
  const settings = await loadStackSettings(env);
  expect(settings.apiOpsPorts).toEqual([port, port + 1]);
  expect(settings.workerOpsPorts).toEqual([expect.any(Number)]);
  expect(settings.serverPort).toBeGreaterThan(1_023);
});

test('a taken port that was asked for is refused by name', async () => {
  const port = await takenPort();
  await expect(loadStackSettings({ SERVER_PORT: '0', WORKER_OPS_PORT: String(port) })).rejects.toThrow(
    `port ${port} is taken by another program. End that one, or set WORKER_OPS_PORT`,
  );
});
