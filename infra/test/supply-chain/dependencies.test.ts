import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { installArguments } from '../../src/setup/plan.mjs';

const ROOT = join(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Package {
  readonly scripts?: Record<string, string>;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
}

const PATHS = ['.', 'infra', 'bench', ...readdirSync(join(ROOT, 'packages')).map((name) => `packages/${name}`)];
const PACKAGES = PATHS.map((path) => [path, JSON.parse(read(`${path}/package.json`)) as Package] as const);

test('every dependency is pinned to one version', () => {
  const loose = PACKAGES.flatMap(([path, { dependencies = {}, devDependencies = {} }]) =>
    Object.entries({ ...dependencies, ...devDependencies })
      .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version) && version !== 'workspace:*')
      .map(([name, version]) => `${path}: ${name} ${version}`),
  );
  expect(loose).toEqual([]);
});

test('every package in the lock file comes from the registry, with the hash of its content', () => {
  const [, packages = ''] = /^packages:\n([\s\S]*?)^snapshots:/m.exec(read('pnpm-lock.yaml')) ?? [];
  const resolutions = packages.match(/^ {4}resolution: .*$/gm) ?? [];
  expect(resolutions.length).toBeGreaterThan(100);
  expect(resolutions.filter((line) => !/^ {4}resolution: \{integrity: sha512-[\w+/=]+\}$/.test(line))).toEqual([]);
});

test('no package may run a script at installation but node, which unpacks itself', () => {
  const settings = read('pnpm-workspace.yaml');
  const [, allowed = ''] = /^allowBuilds:\n((?: {2}.*\n?)*)/m.exec(settings) ?? [];
  expect(allowed.match(/\S+(?=: true)/g)).toEqual(['node']);
  expect(settings).not.toMatch(/dangerouslyAllowAllBuilds|onlyBuiltDependencies|ignoreScripts/);
  // Nor do our own packages.
  const hooks = PACKAGES.flatMap(([path, { scripts = {} }]) =>
    Object.keys(scripts)
      .filter((name) => /^(pre|post)?(install|prepare)$|^prepublish/.test(name))
      .map((name) => `${path}: ${name}`),
  );
  expect(hooks).toEqual([]);
});

test('only setup installs packages, and exactly what the lock file says', () => {
  const { scripts = {} } = JSON.parse(read('package.json')) as Package;
  expect(Object.values(scripts).filter((script) => /\b(install|add|update)\b/.test(script))).toEqual([]);
  for (const scope of ['start', 'all'] as const) expect(installArguments(scope)).toContain('--frozen-lockfile');
});

test('every script installs what it needs before it runs', () => {
  const { scripts = {} } = JSON.parse(read('package.json')) as Package;
  expect(scripts['setup']).toBe('exec "$npm_node_execpath" infra/src/setup/main.mjs');
  // `check` consists of other scripts.
  const own = Object.entries(scripts).filter(([name]) => name !== 'setup' && name !== 'check');
  expect(own.filter(([, script]) => !/^(exec )?sh infra\/run\.sh (start|all) /.test(script))).toEqual([]);
  expect(scripts['check']).toMatch(/^npm run --silent \w+( && npm run --silent [\w:]+)+$/);
});

test('engines are checked against the Node.js that runs the packages', () => {
  const { dependencies } = JSON.parse(read('package.json')) as Package;
  expect(read('pnpm-workspace.yaml')).toContain(`\nnodeVersion: ${dependencies!['node']}\n`);
});

/** Also declared: what another of its packages needs. */
const NEEDED_BY_ANOTHER = ['typescript'];

test('a package imports each of its dependencies, and src imports no development dependency', () => {
  const wrong = PACKAGES.filter(([path]) => path !== '.').flatMap(
    ([path, { dependencies = {}, devDependencies = {} }]) => {
      const inSrc = importsOf(path === 'bench' ? path : `${path}/src`);
      const anywhere = importsOf(path);
      const unused = Object.keys(dependencies).filter((name) => !inSrc.has(name));
      const unusedTools = Object.keys(devDependencies).filter(
        (name) => !anywhere.has(name.replace(/^@types\//, '')) && !NEEDED_BY_ANOTHER.includes(name),
      );
      return [...unused, ...unusedTools].map((name) => `${path}: ${name}`);
    },
  );
  expect(wrong).toEqual([]);
});

/** For screenshots and page tests; `npm start` does not load it. */
const PICTURES = 'playwright-core';

test('what runs the service imports no development dependency', () => {
  const started = [
    'packages/api/src',
    'packages/worker/src',
    'packages/shared/src',
    'infra/src/stack',
    'infra/src/services',
    'infra/src/ops',
  ];
  const wrong = started.flatMap((folder) => {
    const [, { dependencies = {} }] = PACKAGES.find(([path]) => path !== '.' && folder.startsWith(`${path}/`))!;
    return [...importsOf(folder)]
      .filter((name) => !(name in dependencies) && name !== PICTURES)
      .map((name) => `${folder}: ${name}`);
  });
  expect(wrong).toEqual([]);
});

/** The packages that the TypeScript of a folder imports. */
function importsOf(folder: string): Set<string> {
  const names = readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : [...importsOf(path)];
    if (!entry.name.endsWith('.ts')) return [];
    const imports = read(path).matchAll(/(?:^import |\bfrom |\bimport\()'(?!node:)(@[\w.-]+\/[\w.-]+|\w[\w.-]*)/gm);
    return [...imports].map(([, name]) => name!);
  });
  return new Set(names);
}

test('the processes that shoppers reach use few packages of others', () => {
  const own = (path: string): string[] =>
    Object.keys(PACKAGES.find(([each]) => each === path)![1].dependencies ?? {}).filter(
      (name) => !name.startsWith('@flash-sale/'),
    );
  const all = new Set([...own('packages/api'), ...own('packages/worker'), ...own('packages/shared')]);
  // Another one is a decision, and not an accident. The pages brought the last two.
  expect(all.size).toBeLessThanOrEqual(32);
});
