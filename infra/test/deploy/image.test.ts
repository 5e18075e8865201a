import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  globSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';

/**
 * The tests run without a container engine: they take the steps from the Dockerfile and run them
 * by hand. So they cannot test the base image, nor whether an engine reads the file as they do.
 */
const ROOT = join(import.meta.dirname, '../../..');
const USER = 1000;
const NODE = '/usr/local/bin/node';
/** Of one step. No time limit of a test ends a call that blocks its process. */
const STEP_MS_MAX = 100_000;
/** Of `node_modules`, as all its files together: what it is now, and a reserve. */
const SIZE_MIB_MAX = 45;
const ENTRIES = {
  api: 'packages/api/src/main.ts',
  worker: 'packages/worker/src/main.ts',
  migrate: 'packages/shared/src/platform/mysql/migrate-command.ts',
};

const DOCKERFILE = readFileSync(join(ROOT, 'infra/deploy/Dockerfile'), 'utf8');

let folder: string;
let app: string;
let node: string;
let context: TestContext;

beforeAll(async () => {
  context = await openTestContext();
  folder = mkdtempSync(join(tmpdir(), 'flash-sale-image-'));
  app = join(takeSteps(DOCKERFILE), 'app');
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

/**
 * Takes the steps of the Dockerfile, each stage in a folder that stands for the root of its file
 * system. Returns the folder of the last stage.
 */
function takeSteps(dockerfile: string): string {
  const stages = new Map<string, string>();
  let stage = '';
  for (const [, what, rest] of dockerfile.matchAll(/^(FROM|COPY|RUN) (.*)$/gm)) {
    const words = rest!.split(' ');
    if (what === 'FROM') {
      stage = join(folder, `stage-${stages.size}`);
      const before = stages.get(words[0]!);
      if (before === undefined) mkdirSync(join(stage, 'app'), { recursive: true });
      else cpSync(before, stage, { recursive: true, verbatimSymlinks: true });
      stages.set(words[2] ?? '', stage);
    } else if (what === 'RUN') {
      const command = words.filter((word) => !word.startsWith('--mount=')).join(' ');
      execFileSync('sh', ['-c', command], { cwd: join(stage, 'app'), stdio: 'pipe', timeout: STEP_MS_MAX });
    } else if (words[0]!.startsWith('--from=')) {
      copy(stages.get(words[0]!.slice('--from='.length))!, words.slice(1), stage, () => true);
    } else {
      copy(ROOT, words, stage, isInContext);
    }
  }
  return stage;
}

/** What .dockerignore admits. */
const isInContext = (path: string): boolean =>
  !/\/node_modules(\/|$)|^\/packages\/\w+\/(test|testing|tsconfig\.json)(\/|$)/.test(path);

function copy(from: string, words: readonly string[], stage: string, isCopied: (path: string) => boolean): void {
  const sources = words.slice(0, -1);
  const target = join(stage, words.at(-1)!.startsWith('/') ? '' : 'app', words.at(-1)!);
  for (const source of sources) {
    const path = join(from, source);
    // The program of Node, which this machine has elsewhere.
    if (source === NODE) continue;
    const to = statSync(path).isDirectory() ? target : join(target, basename(path));
    mkdirSync(dirname(to), { recursive: true });
    cpSync(path, to, { recursive: true, verbatimSymlinks: true, filter: (each) => isCopied(each.slice(from.length)) });
  }
}

function directoriesIn(parent: string): string[] {
  return readdirSync(parent, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}

const filesIn = (parent: string): string[] => (readdirSync(parent, { recursive: true }) as string[]).toSorted();

/**
 * The files of the installed packages. Not through links, by which most packages are in several
 * places.
 */
const installedFiles = (): string[] =>
  globSync('node_modules/.pnpm/**', { cwd: app, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));

/** The variables that the image sets. */
function imageEnv(): Record<string, string> {
  const set = /^ENV (.*)$/m
    .exec(DOCKERFILE)![1]!
    .split(' ')
    .map((word) => word.split('=') as [string, string]);
  return Object.fromEntries(set.map(([name, value]) => [name, value.replace(/^\/app/, app)]));
}

function start(
  entry: keyof typeof ENTRIES,
  env: Readonly<Record<string, string>> = {},
): {
  child: ChildProcess;
  exited: Promise<[number | null, string | null]>;
  lines: string[];
} {
  const child = spawn(node, [ENTRIES[entry]], {
    cwd: app,
    env: {
      ...context.env,
      ...imageEnv(),
      ...env,
      OPS_HOST: '127.0.0.1',
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

it('contains what production needs and nothing else: no test, no tool, no types, no source map', () => {
  const packages = readdirSync(join(app, 'node_modules/.pnpm'));
  const tools = /^(vitest|typescript|oxlint|node|dclint|pino-pretty|@types\+.*)@/;
  expect(packages.filter((name) => tools.test(name))).toEqual([]);
  const files = filesIn(app);
  expect(files.filter((path) => /^packages\/\w+\/test(ing)?(\/|$)/.test(path))).toEqual([]);
  const installed = installedFiles();
  expect(installed.filter((path) => /\.(map|ts)$/.test(path))).toEqual([]);
  // Licences must go with what they are for.
  expect(installed.filter((path) => path.endsWith('node_modules/fastify/LICENSE'))).toHaveLength(1);
});

it('contains every package of the service, with its sources', () => {
  const sources = (root: string): string[] =>
    readdirSync(join(root, 'packages')).map(
      (name) => `${name}/${readdirSync(join(root, 'packages', name)).includes('src')}`,
    );
  expect(sources(app)).toEqual(sources(ROOT));
});

it('stays small', () => {
  const sizes = installedFiles().map((path) => statSync(path).size);
  expect(sizes.reduce((sum, size) => sum + size, 0) / 2 ** 20).toBeLessThan(SIZE_MIB_MAX);
});

it('a changed script, description or source file leaves the installation as it is', () => {
  const changed = join(folder, 'changed');
  const manifestsOf = (target: string): string[] => {
    const program = join(ROOT, 'infra/deploy/image/manifests.mjs');
    execFileSync(process.execPath, [program, target], { cwd: changed, stdio: 'pipe', timeout: STEP_MS_MAX });
    return filesIn(target).map((path) =>
      statSync(join(target, path)).isFile() ? readFileSync(join(target, path), 'utf8') : path,
    );
  };
  cpSync(join(folder, 'stage-0/app'), changed, { recursive: true });
  const before = manifestsOf(join(folder, 'before'));
  const rewrite = (path: string, change: object): void => {
    const manifest = JSON.parse(readFileSync(join(changed, path), 'utf8')) as object;
    writeFileSync(join(changed, path), JSON.stringify({ ...manifest, ...change }));
  };
  rewrite('package.json', { scripts: { start: 'another' }, description: 'another' });
  writeFileSync(join(changed, 'packages/api/src/main.ts'), '// another');
  expect(manifestsOf(join(folder, 'after'))).toEqual(before);
  rewrite('packages/api/package.json', { dependencies: {} });
  expect(manifestsOf(join(folder, 'other'))).not.toEqual(before);
});

it('starts fast: what a process loads is compiled, for its user', async () => {
  const started = start('api', { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' });
  await expect.poll(() => started.lines.some((line) => line.includes('api ready')), { timeout: 25_000 }).toBe(true);
  started.child.kill('SIGTERM');
  await started.exited;
  const modules = started.lines.filter((line) => /V8 code cache for .* was/.test(line));
  const compiled = modules.filter((line) => line.includes('was accepted'));
  expect(modules.length).toBeGreaterThan(1_000);
  // Packages load some modules only when they are used.
  expect(compiled.length / modules.length).toBeGreaterThan(0.9);
}, 60_000);

it('migrates, serves and works as a user without write access, and writes nothing', async () => {
  const before = filesIn(app);
  const migrate = start('migrate');
  expect([await migrate.exited, migrate.lines]).toEqual([[0, null], [expect.stringMatching(/up to date|migrated/)]]);
  const serveAndEnd = async (entry: 'api' | 'worker'): Promise<void> => {
    const started = start(entry);
    const ready = () => started.lines.find((line) => line.includes(`${entry} ready`));
    await expect.poll(() => ready() ?? started.lines, { timeout: 25_000 }).toBeTypeOf('string');
    const { ops_port: opsPort } = JSON.parse(ready()!) as { ops_port: number };
    expect((await fetch(`http://127.0.0.1:${opsPort}/readyz`)).status).toBe(200);
    started.child.kill('SIGTERM');
    expect(await started.exited).toEqual([0, null]);
  };
  await Promise.all([serveAndEnd('api'), serveAndEnd('worker')]);
  expect(filesIn(app)).toEqual(before);
}, 90_000);
