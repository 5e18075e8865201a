import { appendFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { hashOfManifests, installArguments, scopeToInstall, stampPath } from '../../src/setup/plan.mjs';
import { temporaryFolder } from '../temporary-folder.ts';

const repository = join(import.meta.dirname, '../../..');
const folders = ['.', 'infra', 'bench', 'packages/api', 'packages/shared', 'packages/worker'];
let root: string;

/** A checkout in which everything is installed. */
beforeEach(() => {
  root = temporaryFolder();
  for (const name of ['pnpm-lock.yaml', 'pnpm-workspace.yaml']) cpSync(join(repository, name), join(root, name));
  for (const folder of folders) {
    mkdirSync(join(root, folder, 'node_modules/.bin'), { recursive: true });
    cpSync(join(repository, folder, 'package.json'), join(root, folder, 'package.json'));
  }
  write('node_modules/.bin/node', '');
  stamp('all', hashOfManifests(root));
});

function write(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

const stamp = (scope: string, hash?: string) => writeFileSync(stampPath(root), JSON.stringify({ scope, hash }));

describe('setup installs nothing', () => {
  it('for any script after everything was installed', () => {
    expect([scopeToInstall(root, 'all'), scopeToInstall(root, 'start')]).toEqual([undefined, undefined]);
  });

  it('for npm start after only what the service needs was installed', () => {
    stamp('start', hashOfManifests(root));
    rmSync(join(root, 'bench/node_modules'), { recursive: true });
    expect(scopeToInstall(root, 'start')).toBeUndefined();
  });
});

describe('setup installs what the service needs', () => {
  it('for npm start in a new checkout', () => {
    for (const folder of folders) rmSync(join(root, folder, 'node_modules'), { recursive: true });
    expect(scopeToInstall(root, 'start')).toBe('start');
  });

  it('again after that installation was interrupted', () => {
    stamp('start');
    expect(scopeToInstall(root, 'start')).toBe('start');
  });

  it('again if pnpm has recorded no development packages', () => {
    rmSync(stampPath(root));
    write('node_modules/.modules.yaml', '{ "included": { "devDependencies": false } }');
    expect(scopeToInstall(root, 'start')).toBe('start');
  });
});

describe('setup installs everything', () => {
  it('for a test after only what the service needs was installed', () => {
    stamp('start', hashOfManifests(root));
    expect(scopeToInstall(root, 'all')).toBe('all');
  });

  it.each(['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', 'packages/api/package.json', 'bench/package.json'])(
    'for npm start after %s has changed, so that no installed tool is removed',
    (path) => {
      appendFileSync(join(root, path), '\n');
      expect(scopeToInstall(root, 'start')).toBe('all');
    },
  );

  it('for npm start after a full installation was interrupted', () => {
    stamp('all');
    expect(scopeToInstall(root, 'start')).toBe('all');
  });

  it('for npm start after a developer has installed everything with pnpm', () => {
    write('node_modules/.modules.yaml', '{ "included": { "devDependencies": true } }');
    for (const forget of [() => stamp('start'), () => rmSync(stampPath(root))]) {
      forget();
      expect(scopeToInstall(root, 'start')).toBe('all');
    }
  });

  it.each(['node_modules/.bin/node', 'packages/worker/node_modules', 'bench/node_modules'])(
    'after %s was deleted',
    (path) => {
      rmSync(join(root, path), { recursive: true });
      expect(scopeToInstall(root, 'all')).toBe('all');
    },
  );
});

it('installs what the lock file says, and verifies its versions whenever tools are installed too', () => {
  expect(installArguments('start')).toEqual(expect.arrayContaining(['--frozen-lockfile', '--prod']));
  expect(installArguments('all')).toContain('--frozen-lockfile');
  expect(installArguments('all')).not.toContain('--trust-lockfile');
});
