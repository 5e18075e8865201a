import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { awaitReady } from './await-ready.ts';
import { launch } from './launch.ts';
import { asRoot, ensureMysqlData, temporaryFiles } from './mysql-data.ts';
import { pingMysql } from './ping.ts';
import { startOnPort, type PrivateServer } from './private-server.ts';
import { findMysqlProgram, searchFolders, type MysqlProgram } from './programs.ts';
import { StartFailure } from './start-failure.ts';

/** The only account of a private server. It has all rights, from loopback only. */
export const privateMysqlUser = 'flash_sale';

export interface MysqlOptions {
  /** Default: the program on the machine. */
  program?: MysqlProgram;
  /** The common folder of related servers. This one stores its data in `<dataDir>/<name>/`. */
  dataDir: string;
  name?: string;
  /** Default: any free port. Pass the port of an earlier run to keep the address. */
  port?: number;
  /** The password of `privateMysqlUser`: letters and digits. */
  password: string;
  /** More arguments, for example `["--read-only=ON"]`. They override the usual ones. */
  flags?: string[];
  signal?: AbortSignal | undefined;
}

/**
 * Starts a private MySQL or MariaDB on loopback, and creates its data at the first start. Every
 * commit is on disk before its reply (promise 6).
 */
export async function startMysql(options: MysqlOptions): Promise<PrivateServer> {
  const { dataDir, name = 'mysql', password, signal } = options;
  const program = options.program ?? findMysqlProgram(searchFolders(process.env));
  if (!program) throw new StartFailure('this needs the program mysqld (8.0+) or mariadbd (10.11+)');
  const folder = join(dataDir, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const data = await ensureMysqlData({ program, dataDir, folder, name, signal });
  const accounts = writeAccounts(folder, password);
  const exports = join(folder, 'exports');
  mkdirSync(exports, { recursive: true });

  return startOnPort(options.port, async (port) => {
    const launched = await launch({
      name,
      kind: 'server',
      dataDir,
      program: program.path,
      args: [
        // Must be first: ignore the machine's own configuration.
        '--no-defaults',
        ...asRoot,
        `--datadir=${data}`,
        temporaryFiles(folder),
        `--init-file=${accounts}`,
        // Some packages have a built-in folder that only their server package creates.
        `--secure-file-priv=${exports}`,
        `--port=${port}`,
        '--bind-address=127.0.0.1',
        // No socket file: its path could be too long, and the service uses TCP only.
        '--socket=',
        ...(program.flavour === 'mysql' ? ['--mysqlx=OFF'] : []),
        '--skip-name-resolve',
        '--skip-log-bin',
        '--innodb-flush-log-at-trx-commit=1',
        '--innodb-buffer-pool-size=256M',
        '--character-set-server=utf8mb4',
        '--default-time-zone=+00:00',
        '--max-connections=500',
        ...(options.flags ?? []),
      ],
    });
    const address = { host: '127.0.0.1', port, user: privateMysqlUser, password };
    await awaitReady(launched, () => pingMysql(address), { limitMs: 60_000, signal });
    return launched;
  });
}

/**
 * The server runs this at every start, so the account is right even if the data is older than the
 * password. It is a file, since every user of the machine can read the arguments of a process.
 */
function writeAccounts(folder: string, password: string): string {
  const path = join(folder, 'accounts.sql');
  const account = `'${privateMysqlUser}'@'127.0.0.1'`;
  const statements = [
    // Each server has its own account: a replica must not get it from its primary.
    'SET SESSION sql_log_bin = 0;',
    `CREATE USER IF NOT EXISTS ${account} IDENTIFIED BY '${password}';`,
    `ALTER USER ${account} IDENTIFIED BY '${password}';`,
    `GRANT ALL PRIVILEGES ON *.* TO ${account} WITH GRANT OPTION;`,
    // The account that `--initialize-insecure` creates without a password.
    "DROP USER IF EXISTS 'root'@'localhost';",
  ];
  writeFileSync(path, `${statements.join('\n')}\n`, { mode: 0o600 });
  return path;
}
