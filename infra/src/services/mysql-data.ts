import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { lastLines, runToEnd } from './launch.ts';
import type { MysqlProgram } from './programs.ts';
import { StartFailure } from './start-failure.ts';

/** Both servers refuse to run as root without this option. */
export const asRoot: string[] = process.getuid?.() === 0 ? ['--user=root'] : [];

/**
 * The argument for a private folder of temporary files. A server deletes the temporary tables in
 * this folder at its start, so with a shared folder one server would break the queries of another.
 */
export function temporaryFiles(folder: string): string {
  const path = join(folder, 'tmp');
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return `--tmpdir=${path}`;
}

/**
 * The system tables are written without a sync, which takes most of the time. They are synced as a
 * whole before they are used.
 */
const withoutSync: string[] = ['--innodb-flush-method=nosync', '--loose-debug-no-sync'];

interface DataOptions {
  program: MysqlProgram;
  dataDir: string;
  /** The server's own folder. */
  folder: string;
  name: string;
  signal?: AbortSignal | undefined;
}

/**
 * Creates a server's system tables at its first start and returns their folder. They are created in
 * another folder and renamed when complete, so that a kill leaves no partial tables.
 */
export async function ensureMysqlData(options: DataOptions): Promise<string> {
  const { program, folder } = options;
  const data = join(folder, program.flavour);
  if (existsSync(data)) return data;

  const unfinished = `${data}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  const { end, logFile } = await initialise(options, unfinished);
  if (end.code !== 0) {
    throw new StartFailure(
      `${program.path} could not create its system tables. The end of ${logFile}:\n${lastLines(logFile)}`,
    );
  }
  await syncAll(unfinished);
  renameSync(unfinished, data);
  return data;
}

async function syncAll(folder: string): Promise<void> {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = await open(join(entry.parentPath, entry.name));
    await file.sync();
    await file.close();
  }
}

async function initialise(options: DataOptions, datadir: string) {
  const { program, dataDir, folder, signal } = options;
  const launchOptions = {
    name: `${options.name}-init`,
    kind: 'server' as const,
    dataDir,
    program: program.path,
  };
  const shared = [...asRoot, ...withoutSync, `--datadir=${datadir}`, temporaryFiles(folder)];
  if (program.flavour === 'mysql') {
    const args = ['--no-defaults', '--initialize-insecure', ...shared];
    return runToEnd({ ...launchOptions, args }, signal);
  }
  const script = join(folder, 'system-tables.sql');
  writeMariadbScript(program, script);
  const stdin = openSync(script, 'r');
  try {
    const args = [
      '--no-defaults',
      '--bootstrap',
      ...shared,
      '--log-warnings=0',
      '--enforce-storage-engine=',
      '--max-allowed-packet=8M',
    ];
    return await runToEnd({ ...launchOptions, args, stdin }, signal);
  } finally {
    closeSync(stdin);
  }
}

/**
 * Does what `mariadb-install-db` does, without that script: it needs `my_print_defaults`, which
 * Debian's server package lacks, fails with a space in a path, and as root changes the owner of
 * system files. This also deletes its accounts without a password at once.
 */
function writeMariadbScript(program: MysqlProgram, script: string): void {
  const { folder, prefix } = systemTables(program);
  writeFileSync(script, 'CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n');
  for (const part of [
    `${prefix}_system_tables.sql`,
    `${prefix}_performance_tables.sql`,
    `${prefix}_system_tables_data.sql`,
    'maria_add_gis_sp_bootstrap.sql',
    `${prefix}_sys_schema.sql`,
  ]) {
    appendFileSync(script, readFileSync(join(folder, part)));
  }
  appendFileSync(script, "\nDELETE FROM mysql.global_priv WHERE User IN ('root', '');\n");
}

/**
 * The folder is relative to the program, wherever it is installed: `<prefix>/share/mysql` or
 * `<prefix>/share/mariadb`. The files are named after MySQL until MariaDB 11.4, and after MariaDB
 * later.
 */
function systemTables(program: MysqlProgram): { folder: string; prefix: string } {
  const installation = dirname(dirname(realpathSync(program.path)));
  for (const path of ['share/mysql', 'share/mariadb', 'share']) {
    for (const prefix of ['mysql', 'mariadb']) {
      const folder = join(installation, path);
      if (existsSync(join(folder, `${prefix}_system_tables.sql`))) return { folder, prefix };
    }
  }
  throw new StartFailure(`${program.path} was found without its system tables under ${installation}/share`);
}
