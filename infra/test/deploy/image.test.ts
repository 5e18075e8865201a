import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';

/**
 * There may be no container engine where the tests run: the steps of the Dockerfile are taken by
 * hand, from its own text. What that cannot show is the base image, and that the engine reads the
 * file as it is read here.
 */
const ROOT = join(import.meta.dirname, '../../..');
const USER = 1000;
const ENTRIES = {
  api: 'packages/api/src/main.ts',
  worker: 'packages/worker/src/main.ts',
  migrate: 'packages/shared/src/platform/mysql/migrate-command.ts',
};

let folder: string;
let app: string;
let node: string;
let context: TestContext;

beforeAll(async () => {
  context = await openTestContext();
  folder = mkdtempSync(join(tmpdir(), 'flash-sale-image-'));
  app = join(folder, 'app');
  mkdirSync(app);
  for (const instruction of instructionsOf(readFileSync(join(ROOT, 'infra/deploy/Dockerfile'), 'utf8')))
    take(instruction);
  // The base image has its own; the present one may not be readable for the other user.
  node = join(folder, 'node');
  cpSync(process.execPath, node);
  chmodSync(folder, 0o755);
  for (const directory of [app, ...directoriesIn(app)]) chmodSync(directory, 0o555);
}, 120_000);

afterAll(async () => {
  await context.close();
  for (const directory of [app, ...directoriesIn(app)]) chmodSync(directory, 0o755);
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** What brings files into the image: copies out of the repository, and the installation. */
function instructionsOf(dockerfile: string): string[] {
  const lines = dockerfile.split('\n').filter((line) => /^(COPY|RUN) /.test(line));
  return lines.filter((line) => !line.includes('--from=') && !line.startsWith('RUN rm '));
}

function take(instruction: string): void {
  const [what, ...words] = instruction.split(' ');
  if (what === 'RUN') {
    execFileSync('sh', ['-c', words.join(' ')], { cwd: app, stdio: 'pipe' });
    return;
  }
  const target = words.pop()!;
  for (const source of words) {
    const isFile = /\.\w+$/.test(source);
    const to = isFile ? join(app, target, source.split('/').at(-1)!) : join(app, target);
    mkdirSync(dirname(to), { recursive: true });
    // What .dockerignore leaves out.
    const isLeftOut = (path: string): boolean =>
      /\/node_modules(\/|$)|packages\/\w+\/(test|testing|tsconfig\.json)(\/|$)/.test(path);
    cpSync(join(ROOT, source), to, { recursive: true, filter: (path) => !isLeftOut(path.slice(ROOT.length)) });
  }
}

function directoriesIn(parent: string): string[] {
  return readdirSync(parent, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}

const filesIn = (parent: string): string[] => (readdirSync(parent, { recursive: true }) as string[]).toSorted();

function start(entry: keyof typeof ENTRIES): {
  child: ChildProcess;
  exited: Promise<[number | null, string | null]>;
  lines: string[];
} {
  const child = spawn(node, [ENTRIES[entry]], {
    cwd: app,
    env: {
      ...context.env,
      NODE_ENV: 'production',
      LOG_LEVEL: 'info',
      AUTH_MODE: 'jwt',
      JWT_SECRET: 'of-access-tokens-thirty-two-bytes',
      PAYMENT_PROVIDER: 'sandbox',
      SERVER_PORT: '0',
      API_OPS_PORT: '0',
      WORKER_OPS_PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Only root can become another user; any other user is not root anyway.
    ...(process.getuid?.() === 0 ? { uid: USER, gid: USER } : {}),
  });
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>;
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', (line) => lines.push(line));
  return { child, exited, lines };
}

it('holds what production needs and nothing else: no test, no tool', () => {
  const packages = readdirSync(join(app, 'node_modules/.pnpm'));
  expect(packages.filter((name) => /^(vitest|typescript|oxlint|node|dclint)@/.test(name))).toEqual([]);
  expect(filesIn(app).filter((path) => /^packages\/\w+\/test(ing)?(\/|$)/.test(path))).toEqual([]);
});

it('migrates, serves and works as a user who can write nothing, and writes nothing', async () => {
  const before = filesIn(app);
  const migrate = start('migrate');
  expect([await migrate.exited, migrate.lines]).toEqual([[0, null], [expect.stringMatching(/up to date|migrated/)]]);
  for (const entry of ['api', 'worker'] as const) {
    const started = start(entry);
    await expect
      .poll(() => started.lines.find((line) => line.includes(`${entry} ready`)) ?? started.lines, { timeout: 25_000 })
      .toBeTypeOf('string');
    const { ops_port: opsPort } = JSON.parse(started.lines.find((line) => line.includes(`${entry} ready`))!) as {
      ops_port: number;
    };
    expect((await fetch(`http://127.0.0.1:${opsPort}/readyz`)).status).toBe(200);
    started.child.kill('SIGTERM');
    expect(await started.exited).toEqual([0, null]);
  }
  expect(filesIn(app)).toEqual(before);
}, 90_000);
