import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, inject, onTestFinished, test, vi } from 'vitest';
import { pingMysql } from '../../src/services/ping.ts';
import { readRunRecords } from '../../src/services/run-records.ts';
import { readRunning } from '../../src/stack/running.ts';
import { startStack, type StackOptions } from '../../src/stack/stack.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const stub = (name: string) => join(import.meta.dirname, `../stubs/${name}.ts`);

/** A stack of stubs on any ports, with the test run's servers as given ones. */
function stackOptions(env: NodeJS.ProcessEnv = {}) {
  const dataDir = temporaryFolder();
  const traceFile = join(dataDir, 'trace');
  writeFileSync(traceFile, '');
  const lines: string[] = [];
  const options: StackOptions = {
    dataDir,
    env: {
      PATH: process.env['PATH'],
      SERVER_PORT: '0',
      API_OPS_PORT: '0',
      WORKER_OPS_PORT: '0',
      STUB_TRACE: traceFile,
      ...inject('servers'),
      ...env,
    },
    mains: { api: stub('api'), worker: stub('worker') },
    print: (line) => lines.push(line),
    signal: new AbortController().signal,
  };
  const trace = () => readFileSync(traceFile, 'utf8').trimEnd().split('\n');
  return { options, lines, trace };
}

test('all processes get ready, then end in order: api, worker; given servers stay', async () => {
  const { options, trace } = stackOptions({ API_PROCESSES: '2', WORKER_PROCESSES: '2' });
  const stack = await startStack(options);
  expect([...readRunRecords(options.dataDir).keys()].toSorted()).toEqual(['api-1', 'api-2', 'worker-1', 'worker-2']);
  expect(readRunning(options.dataDir)).toMatchObject(inject('servers'));
  await stack[Symbol.asyncDispose]();

  const ends = trace().filter((line) => line.endsWith('ended by SIGTERM'));
  expect(ends.map((line) => line.split(' ')[0])).toEqual(['api', 'api', 'worker', 'worker']);
  expect(readRunRecords(options.dataDir).size).toBe(0);
  expect(readRunning(options.dataDir)).toBeUndefined();
  const { DB_HOST, DB_PORT, DB_USER, DB_PASSWORD } = inject('servers');
  await pingMysql({ host: DB_HOST, port: Number(DB_PORT), user: DB_USER, password: DB_PASSWORD });
});

test('everything has ended within 10 s even if no process reacts to SIGTERM', async () => {
  const { options } = stackOptions({ STUB_IS_STUBBORN: 'yes' });
  const stack = await startStack(options);
  const start = performance.now();
  await stack[Symbol.asyncDispose]();
  expect(performance.now() - start).toBeLessThan(10_000);
  expect(readRunRecords(options.dataDir).size).toBe(0);
});

test('the walk-through works as it stands in a POSIX shell', async () => {
  const { options } = stackOptions();
  await using stack = await startStack(options);
  const script = stack.walkThrough.slice(stack.walkThrough.indexOf('\nAPI='));
  const said = execFileSync('sh', ['-e'], { input: script, encoding: 'utf8', timeout: 25_000 });
  expect(said).toContain('{"order_no":"order-with-token-of-alice","status":"queued"}');
  expect(said).toContain('{"order_no":"order-with-token-of-alice","status":"pending_payment"}');
  expect(said).toContain('{"order_no":"order-with-token-of-alice","status":"paid"}');
  expect(said).toContain('{"order_no":"order-with-token-of-bob","status":"cancelled"}');
  expect(said).toMatch(/"name":"My sale".*"id":2/);
});

test("the operator token is made once, and a second start finds the demo sale's again", async () => {
  const { options } = stackOptions();
  const tokens: (string | undefined)[] = [];
  for (const _ of [1, 2]) {
    await using stack = await startStack(options);
    tokens.push(stack.adminToken);
  }
  expect(tokens[0]).toBeTypeOf('string');
  expect(tokens[1]).toBe(tokens[0]);
});

test('a given operator token is used and never printed', async () => {
  const { options, lines } = stackOptions({ ADMIN_TOKEN: 'given-by-the-operator' });
  await using stack = await startStack(options);
  expect(lines.join('\n') + stack.walkThrough).not.toContain('given-by-the-operator');
});

test('a process that is killed comes back', async () => {
  const { options, lines } = stackOptions();
  await using _stack = await startStack(options);
  const record = readRunRecords(options.dataDir).get('worker-1');
  if (record?.kind !== 'service') throw new Error('worker-1 is not recorded');
  process.kill(record.pid, 'SIGKILL');
  await vi.waitFor(() => expect(lines.at(-1)).toBe('worker-1 is back'), { timeout: 10_000 });
});

test('a second start from the same folder is refused while the first one runs', async () => {
  const { options } = stackOptions();
  await using _stack = await startStack(options);
  await expect(startStack(options)).rejects.toThrow(/already running .*npm stop/s);
});

test('a process that cannot start is one failure with its last lines, and nothing is left running', async () => {
  const { options } = stackOptions();
  const mains = { ...options.mains, api: stub('broken') };
  await expect(startStack({ ...options, mains })).rejects.toThrow(
    /api-1 ended \(exit code 7\) before it was ready.*I was never any good/s,
  );
  expect(readRunRecords(options.dataDir).size).toBe(0);
});

test('a port in use is reported before anything is started', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (const name of ['SERVER_PORT', 'API_OPS_PORT']) {
    const { options, lines } = stackOptions({ [name]: String(port) });
    await expect(startStack(options)).rejects.toThrow(new RegExp(`port ${port} is taken.*${name}`));
    expect(lines).toEqual([]);
  }
});

test('a data folder that cannot be written is one clear failure', async () => {
  const { options } = stackOptions();
  writeFileSync(join(options.dataDir, 'file'), '');
  const dataDir = join(options.dataDir, 'file', '.data');
  await expect(startStack({ ...options, dataDir })).rejects.toThrow(/cannot write to .*\.data: /);
});

test.each([{ API_PROCESSES: '0' }, { WORKER_PROCESSES: 'many' }, { SERVER_PORT: 'http' }])(
  'a setting that does not fit is named: %o',
  async (env) => {
    const { options } = stackOptions(env);
    await expect(startStack(options)).rejects.toThrow(new RegExp(Object.keys(env)[0] ?? ''));
  },
);
