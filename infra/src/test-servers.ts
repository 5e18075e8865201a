import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { createSchema, dropSchema } from '@flash-sale/shared/testing/schema.ts';
import { startServers } from './services/servers.ts';
import { temporaryFolder } from './services/temporary-folder.ts';
import type { TestServers } from './test-context.ts';

/**
 * No test cuts the power of these servers, so that nothing has to reach the disk: a commit is safe
 * from a SIGKILL as soon as the system has it.
 */
const WITHOUT_DISK = [
  '--innodb-flush-method=nosync',
  '--innodb-doublewrite=0',
  '--loose-debug-no-sync',
  // Each test context creates and drops all tables.
  '--loose-innodb-file-per-table=0',
];

/**
 * One Redis and one MySQL for a whole test run, in a temporary folder. Tests find them with
 * `inject("servers")`. Each test file uses its own database and key prefix.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { path: dataDir, close } = temporaryFolder('test');
  // The processes of the test run inherit it. `npm test` has set it, and keeps it for the next run.
  process.env['NODE_COMPILE_CACHE'] ??= join(dataDir, 'compile-cache');
  try {
    const servers = await startServers({ dataDir, env: process.env, log: () => {}, mysqlFlags: WITHOUT_DISK });
    project.provide('servers', servers.env as unknown as TestServers);
    const schema = await createSchema(servers.env, `schema${randomBytes(6).toString('hex')}`);
    project.provide('schema', schema);
    return async () => {
      await dropSchema(servers.env, schema);
      await servers.stop();
      await close();
    };
  } catch (error) {
    await close();
    throw error;
  }
}
