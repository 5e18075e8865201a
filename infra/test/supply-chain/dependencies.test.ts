import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

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

test('the lock file is what is installed: every way in is frozen', () => {
  const { scripts = {} } = JSON.parse(read('package.json')) as Package;
  const installing = Object.values(scripts).filter((script) => /\b(install|add|update)\b/.test(script));
  expect(installing.length).toBeGreaterThan(0);
  for (const script of installing) expect(script).toContain('--frozen-lockfile');
});

test('the processes that shoppers reach use few packages of others', () => {
  const own = (path: string): string[] =>
    Object.keys(PACKAGES.find(([each]) => each === path)![1].dependencies ?? {}).filter(
      (name) => !name.startsWith('@flash-sale/'),
    );
  const all = new Set([...own('packages/api'), ...own('packages/worker'), ...own('packages/shared')]);
  // Another one is a decision, and not an accident.
  expect(all.size).toBeLessThanOrEqual(30);
});
