import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startServers } from './services/servers.ts';
import type { TestServers } from './test-context.ts';

/**
 * One Redis and one MySQL for a whole test run, in a temporary folder; tests find them with
 * `inject("servers")`. Each test file makes a database and a key prefix of its own in them.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = mkdtempSync(join(tmpdir(), 'flash-sale-test-'));
  const endCleanUp = startCleanUp(dataDir);
  try {
    const servers = await startServers({ dataDir, env: process.env, log: () => {} });
    project.provide('servers', servers.env as unknown as TestServers);
    return async () => {
      await servers.stop();
      await endCleanUp();
    };
  } catch (error) {
    await endCleanUp();
    throw error;
  }
}

/**
 * A process that ends the servers and deletes the folder once this one has gone, however it went: it
 * waits for the end of a pipe that only this process holds open.
 */
function startCleanUp(dataDir: string): () => Promise<void> {
  const program = join(import.meta.dirname, 'services', 'clean-up-process.ts');
  const child = spawn(process.execPath, [program, dataDir], {
    detached: true,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const ended = once(child, 'exit');
  // A run that ends without its teardown must not wait for this process, which waits for that end.
  child.unref();
  return async () => {
    child.ref();
    child.stdin.end();
    await ended;
  };
}
