import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { DEBIAN_SERVERS, type DebianServer } from '../../src/debian-servers/catalog.ts';
import { findProvided, pathWith, provideServer } from '../../src/debian-servers/provide.ts';
import { writeWrapper } from '../../src/debian-servers/wrapper.ts';
import { temporaryFolder } from '../temporary-folder.ts';

function writeProgram(path: string, ...lines: string[]): void {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, ['#!/bin/sh', 'set -eu', ...lines, ''].join('\n'), { mode: 0o755 });
}

describe('a wrapper', () => {
  let home: string;
  beforeEach(() => {
    // A path as a user's may be.
    home = join(temporaryFolder(), "it's $HOME");
    // Shows what the loader of programs would get.
    writeProgram(join(home, 'root/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2'), 'printf "%s\\n" "$@"');
  });

  function run(name: string, ...args: string[]): string[] {
    const env = { PATH: `${join(home, 'bin')}:/usr/bin:/bin` };
    const { stdout, stderr } = spawnSync(name, args, {
      argv0: 'other',
      cwd: '/',
      env,
      encoding: 'utf8',
      timeout: 25_000,
    });
    expect(stderr).toBe('');
    return stdout.trimEnd().replaceAll(join(home, 'root'), 'ROOT').split('\n');
  }

  test('runs the program under its name, with the libraries of the packages', () => {
    writeWrapper(home, home, { name: 'redis-server', path: 'usr/bin/redis-check-rdb' });
    const loading = ['--library-path', 'ROOT/usr/lib/x86_64-linux-gnu', '--argv0', 'ROOT/usr/bin/redis-server'];
    const running = ['ROOT/usr/bin/redis-check-rdb', 'my conf', '--port', '1'];
    expect(run('redis-server', 'my conf', '--port', '1')).toEqual([...loading, ...running]);
  });

  test('leaves the option first that MySQL accepts only there, and the later options override its own', () => {
    writeWrapper(home, home, DEBIAN_SERVERS['mysql']!.programs[0]!);
    const own = ['--basedir=ROOT/usr', '--secure-file-priv=NULL'];
    expect(run('mysqld', '--no-defaults', '--port=1').slice(5)).toEqual(['--no-defaults', ...own, '--port=1']);
    expect(run('mysqld', '--version').slice(5)).toEqual([...own, '--version']);
    expect(run('mysqld').slice(5)).toEqual(own);
  });

  test('runs by a link too', () => {
    writeWrapper(home, home, { name: 'redis-cli', path: 'usr/bin/redis-cli' });
    symlinkSync(join(home, 'bin/redis-cli'), join(home, 'bin/cli'));
    expect(run('cli', 'PING').slice(-2)).toEqual(['ROOT/usr/bin/redis-cli', 'PING']);
  });
});

describe('a server of the archive', () => {
  const server: DebianServer = {
    title: 'Redis 8',
    suite: 'trixie',
    packages: ['redis-tools'],
    programs: [{ name: 'redis-server', path: 'usr/bin/redis-check-rdb' }],
  };
  let dataDir: string;
  let tools: string;
  let keyring: string;
  const loader = 'usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2';

  /** Stand-ins for apt-get and dpkg-deb: `version` is what the downloaded program answers. */
  function writeTools({ version = 'Redis server v=8.0.2 sha=0', installs = true } = {}): void {
    writeProgram(
      join(tools, 'apt-get'),
      `echo "$@" >> "${tools}/asked"`,
      'for each in "$@"; do case $each in Dir::Cache=*) cache=${each#*=} ;; esac; done',
      'case "$*" in *install*)',
      installs ? '  touch "$cache/archives/redis-tools_8.deb"' : '  exit 100',
      ';; esac',
    );
    writeProgram(
      join(tools, 'dpkg-deb'),
      'mkdir -p "$3/usr/lib/x86_64-linux-gnu" "$3/usr/share"',
      `printf '#!/bin/sh\\necho "${version}"\\n' > "$3/${loader}"`,
      `chmod 755 "$3/${loader}"`,
    );
  }

  const provide = () =>
    provideServer('redis8', server, {
      dataDir,
      folders: [tools],
      env: { PATH: `${tools}:/usr/bin:/bin` },
      log: () => {},
      keyring,
    });
  const asked = (): string => readFileSync(join(tools, 'asked'), 'utf8');

  beforeEach(() => {
    dataDir = temporaryFolder();
    tools = join(dataDir, 'tools');
    keyring = join(dataDir, 'keys.gpg');
    mkdirSync(tools, { recursive: true });
    writeFileSync(keyring, '');
  });

  test('is downloaded once, and then found', async () => {
    writeTools();
    expect(findProvided('redis8', dataDir)).toBeUndefined();
    const provided = await provide();
    expect(provided).toEqual({ bin: join(dataDir, 'servers/redis8/bin'), version: '8.0.2' });
    expect(asked()).toMatch(/update\n[^\n]* install --yes --no-install-recommends --download-only redis-tools\n$/);
    expect(existsSync(join(dataDir, 'servers/redis8/downloads'))).toBe(false);
    writeProgram(join(tools, 'apt-get'), 'exit 100');
    expect(await provide()).toEqual(provided);
    expect(pathWith([provided], '/usr/bin')).toBe(`${provided.bin}:/usr/bin`);
  });

  test('is downloaded with the keys of the archive, apart from the packages of the machine', async () => {
    writeTools();
    await provide();
    const own = ['sourcelist', 'State::lists', 'State::status', 'Cache'].map(
      (name) => new RegExp(`Dir::(?:Etc::)?${name}=${dataDir}/servers/`),
    );
    for (const line of asked().trimEnd().split('\n')) {
      for (const setting of own) expect(line).toMatch(setting);
      expect(line).toContain('Dir::Etc::sourceparts=/dev/null');
      expect(line).not.toMatch(/unauthenticated|insecure|trusted/i);
    }
  });

  test('is not there after a download that failed, and the next one starts over', async () => {
    writeTools({ installs: false });
    await expect(provide()).rejects.toThrow(/apt-get .*failed/);
    expect(existsSync(join(dataDir, 'servers/redis8'))).toBe(false);
    writeTools();
    expect((await provide()).version).toBe('8.0.2');
  });

  test('is refused if its programs do not run here', async () => {
    writeTools({ version: 'Exec format error' });
    await expect(provide()).rejects.toThrow('do not run');
  });
});
