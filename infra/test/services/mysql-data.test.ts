import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ensureMysqlData } from '../../src/services/mysql-data.ts';
import { temporaryFolder } from '../temporary-folder.ts';

test.each([
  ['until 11.4', 'share/mysql', 'mysql'],
  ['as of 11.5', 'share/mariadb', 'mariadb'],
])('the system tables of MariaDB %s are found: its SQL files have other names later', async (_when, share, prefix) => {
  const installation = temporaryFolder();
  const path = join(installation, 'bin', 'mariadbd');
  mkdirSync(join(installation, 'bin'));
  // Keeps the SQL that it is given in its folder of data.
  const keepsInput = 'for each in "$@"; do case $each in --datadir=*) cat > "${each#*=}/input" ;; esac; done';
  writeFileSync(path, `#!/bin/sh\n${keepsInput}\n`, { mode: 0o755 });
  const tables = join(installation, share);
  mkdirSync(tables, { recursive: true });
  const parts = ['system_tables', 'performance_tables', 'system_tables_data', 'sys_schema'];
  for (const part of parts) writeFileSync(join(tables, `${prefix}_${part}.sql`), `-- ${part}\n`);
  writeFileSync(join(tables, 'maria_add_gis_sp_bootstrap.sql'), '-- gis\n');

  const dataDir = temporaryFolder();
  const program = { path, flavour: 'mariadb' as const, version: '11.8.9' };
  const data = await ensureMysqlData({ program, dataDir, folder: dataDir, name: 'mysql' });
  const input = readFileSync(join(data, 'input'), 'utf8');
  expect(input.match(/^-- \w+$/gm)).toEqual([
    '-- system_tables',
    '-- performance_tables',
    '-- system_tables_data',
    '-- gis',
    '-- sys_schema',
  ]);
});
