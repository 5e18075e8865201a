import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../src/services/ports.ts';

/** Where the ports of outgoing connections begin by default on Linux. */
const OUTGOING = 32_768;

test('free ports differ, are no neighbours, and are none that an outgoing connection may take', async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, () => freePort()));
  expect(new Set([...ports, ...ports.map((port) => port + 1)]).size).toBe(100);
  expect(ports.filter((port) => port < 1_024 || port >= OUTGOING)).toEqual([]);
});

test('a port on which another program listens is left out', async () => {
  const [before, last] = [await freePort(), await freePort()];
  const taken = last + (last - before);
  const server = createServer().listen(taken, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  expect(await freePort()).not.toBe(taken);
});
