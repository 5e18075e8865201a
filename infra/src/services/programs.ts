import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface RedisProgram {
  path: string;
  product: 'Redis' | 'Valkey';
  version: string;
}

export interface MysqlProgram {
  path: string;
  flavour: 'mysql' | 'mariadb';
  version: string;
}

/** Folders of server programs that a user's PATH often lacks. */
const usualFolders = [
  '/usr/bin',
  '/usr/sbin',
  '/usr/libexec',
  '/usr/local/bin',
  '/usr/local/sbin',
  '/usr/local/mysql/bin',
  '/usr/local/opt/redis/bin',
  '/usr/local/opt/mariadb/bin',
  '/usr/local/opt/mysql/bin',
  '/opt/homebrew/bin',
  '/opt/homebrew/opt/redis/bin',
  '/opt/homebrew/opt/mariadb/bin',
  '/opt/homebrew/opt/mysql/bin',
  '/home/linuxbrew/.linuxbrew/bin',
];

/** The folders to search for programs: those of PATH first. */
export const searchFolders = (env: NodeJS.ProcessEnv): string[] => [
  ...new Set([...(env['PATH'] ?? '').split(delimiter).filter(Boolean), ...usualFolders]),
];

/**
 * The Redis server, 7.0 or later. Debian's `redis-tools` has no `redis-server`, but its check tools
 * are the same program, which acts as the server if it runs under that name.
 */
export function findRedisProgram(folders: string[]): RedisProgram | undefined {
  for (const path of candidates(folders, ['redis-server', 'redis-check-rdb', 'redis-check-aof'])) {
    const words = versionWords(path, ['--version'], 'redis-server');
    const [, product, version] = /(Redis|Valkey) server v=(\d[\d.]*)/.exec(words) ?? [];
    if (version === undefined || !isAtLeast(version, '7.0')) continue;
    return { path, product: product as RedisProgram['product'], version };
  }
  return undefined;
}

/** The MySQL (8.0 or later) or MariaDB (10.11 or later) server. `mysqld` may be either. */
export function findMysqlProgram(folders: string[]): MysqlProgram | undefined {
  for (const path of candidates(folders, ['mysqld', 'mariadbd'])) {
    const words = versionWords(path, ['--no-defaults', '--version'], path);
    const version = /Ver (\d[\d.]*)/.exec(words)?.[1];
    if (version === undefined) continue;
    // The words begin with the path of the program, which may have any name.
    const flavour = /Ver \S*mariadb/i.test(words) ? 'mariadb' : 'mysql';
    if (isAtLeast(version, flavour === 'mariadb' ? '10.11' : '8.0')) {
      return { path, flavour, version };
    }
  }
  return undefined;
}

/** The programs that write and restore a dump of MySQL or MariaDB. */
export function findDumpPrograms(folders: string[]): { dump: string; client: string } | undefined {
  const [dump] = candidates(folders, ['mariadb-dump', 'mysqldump']);
  const [client] = candidates(folders, ['mariadb', 'mysql']);
  return dump === undefined || client === undefined ? undefined : { dump, client };
}

/** All names in the first folder, then in the next one: what is first on PATH is preferred. */
function candidates(folders: string[], names: string[]): string[] {
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).filter(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * The version text decides what a program is, not its name. A program that cannot run has no text.
 */
function versionWords(path: string, args: string[], argv0: string): string {
  const { stdout } = spawnSync(path, args, { argv0, encoding: 'utf8', timeout: 10_000 });
  return stdout ?? '';
}

export function isAtLeast(version: string, minimum: string): boolean {
  return version.localeCompare(minimum, 'en', { numeric: true }) >= 0;
}
