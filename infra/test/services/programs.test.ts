import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { findDumpPrograms, findMysqlProgram, findRedisProgram } from '../../src/services/programs.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const REDIS = 'Redis server v=7.0.15 sha=0';
const VALKEY = 'Valkey server v=8.1.1 sha=0';
const MARIADB = 'Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)';
const MYSQL = 'Ver 9.7.4-2 for Linux on x86_64 ((Debian))';

let first: string;
let second: string;
beforeEach(() => {
  first = join(temporaryFolder(), 'first');
  second = join(temporaryFolder(), 'second');
  for (const folder of [first, second]) mkdirSync(folder);
});

/** A program that prints this for any arguments. The output of MySQL begins with its path. */
function add(folder: string, name: string, words: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\necho "${words}"\n`, { mode: 0o755 });
  return path;
}

test('the server of the first folder on PATH is used, whatever its name', () => {
  const own = { redis: add(first, 'redis-check-rdb', REDIS), mysql: add(first, 'mariadbd', `mariadbd  ${MARIADB}`) };
  add(second, 'redis-server', REDIS);
  add(second, 'mysqld', `mysqld  ${MYSQL}`);
  expect(findRedisProgram([first, second])).toEqual({ path: own.redis, product: 'Redis', version: '7.0.15' });
  expect(findMysqlProgram([first, second])).toEqual({ path: own.mysql, flavour: 'mariadb', version: '10.11.19' });
  expect(findMysqlProgram([second, first])).toMatchObject({ flavour: 'mysql', version: '9.7.4' });
});

test('programs for a dump come from the folder of the server’s kind: MariaDB’s cannot dump every MySQL', () => {
  const own = { dump: add(first, 'mysqldump', ''), client: add(first, 'mysql', '') };
  add(second, 'mariadb-dump', '');
  add(second, 'mariadb', '');
  expect(findDumpPrograms([first, second])).toEqual(own);
});

test('a MySQL is known by its version, not by its path', () => {
  add(first, 'mysqld', `/usr/sbin/mariadbd  ${MYSQL}`);
  expect(findMysqlProgram([first])).toMatchObject({ flavour: 'mysql', version: '9.7.4' });
});

test('Valkey is a Redis', () => {
  add(first, 'redis-server', VALKEY);
  expect(findRedisProgram([first])).toMatchObject({ product: 'Valkey', version: '8.1.1' });
});
