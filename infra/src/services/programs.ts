import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface RedisProgram {
  path: string;
  version: string;
}

export interface MysqlProgram {
  path: string;
  flavour: 'mysql' | 'mariadb';
  version: string;
}

/** Where server programs are kept that a user's PATH often leaves out. */
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

/** The folders to look for programs in: those of PATH first. */
export const searchFolders = (env: NodeJS.ProcessEnv): string[] => [
  ...new Set([...(env['PATH'] ?? '').split(delimiter).filter(Boolean), ...usualFolders]),
];

/**
 * The Redis server, 7.0 or later. Debian's `redis-tools` brings no `redis-server`, but its checkers
 * are the same program, which acts as the server when run under that name.
 */
export function findRedisProgram(folders: string[]): RedisProgram | undefined {
  for (const path of candidates(folders, ['redis-server', 'redis-check-rdb', 'redis-check-aof'])) {
    const words = versionWords(path, ['--version'], 'redis-server');
    const version = /(?:Redis|Valkey) server v=(\d[\d.]*)/.exec(words)?.[1];
    if (version !== undefined && isAtLeast(version, '7.0')) return { path, version };
  }
  return undefined;
}

/** The MySQL (8.0 or later) or MariaDB (10.11 or later) server; `mysqld` may be either. */
export function findMysqlProgram(folders: string[]): MysqlProgram | undefined {
  for (const path of candidates(folders, ['mysqld', 'mariadbd'])) {
    const words = versionWords(path, ['--no-defaults', '--version'], path);
    const version = /Ver (\d[\d.]*)/.exec(words)?.[1];
    if (version === undefined) continue;
    const flavour = /mariadb/i.test(words) ? 'mariadb' : 'mysql';
    if (isAtLeast(version, flavour === 'mariadb' ? '10.11' : '8.0')) {
      return { path, flavour, version };
    }
  }
  return undefined;
}

/** The programs that write a dump of MySQL or MariaDB, and that run one. */
export function findDumpPrograms(folders: string[]): { dump: string; client: string } | undefined {
  const [dump] = candidates(folders, ['mariadb-dump', 'mysqldump']);
  const [client] = candidates(folders, ['mariadb', 'mysql']);
  return dump === undefined || client === undefined ? undefined : { dump, client };
}

/** One name in all folders before the next name. */
function candidates(folders: string[], names: string[]): string[] {
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).filter(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Told apart by what they say, never by what they are called. A program that cannot run says nothing. */
function versionWords(path: string, args: string[], argv0: string): string {
  const { stdout } = spawnSync(path, args, { argv0, encoding: 'utf8', timeout: 10_000 });
  return stdout ?? '';
}

function isAtLeast(version: string, minimum: string): boolean {
  return version.localeCompare(minimum, 'en', { numeric: true }) >= 0;
}
