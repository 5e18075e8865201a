/** A server that Debian's archive has, newer than or other than the one of this machine. */
export interface DebianServer {
  readonly title: string;
  /** The suite of the archive. `sid` has the newest version, others one that stays. */
  readonly suite: 'sid' | 'trixie';
  readonly packages: readonly string[];
  readonly programs: readonly DebianProgram[];
}

export interface DebianProgram {
  /** The name under which it is found and runs. */
  readonly name: string;
  /** Its path in the packages. */
  readonly path: string;
  /**
   * Options with the paths of the program's own files, since they are not in their usual folders.
   */
  readonly options?: (root: string) => readonly string[];
}

const mariadbOptions = (root: string): readonly string[] => [`--basedir=${root}/usr`];
/**
 * MySQL's built-in folder for files is missing. MariaDB has none, and would take NULL for a name.
 */
const mysqlOptions = (root: string): readonly string[] => [...mariadbOptions(root), '--secure-file-priv=NULL'];

/** What `npm run servers` can download, by the name that is typed. */
export const DEBIAN_SERVERS: Readonly<Record<string, DebianServer>> = {
  mysql: {
    title: 'MySQL',
    suite: 'sid',
    packages: ['mysql-server-core', 'mysql-client-core'],
    programs: [
      { name: 'mysqld', path: 'usr/sbin/mysqld', options: mysqlOptions },
      { name: 'mysql', path: 'usr/bin/mysql' },
      { name: 'mysqldump', path: 'usr/bin/mysqldump' },
    ],
  },
  mariadb118: {
    title: 'MariaDB 11.8',
    suite: 'trixie',
    packages: ['mariadb-server-core', 'mariadb-client-core'],
    programs: [
      { name: 'mysqld', path: 'usr/sbin/mariadbd', options: mariadbOptions },
      { name: 'mariadb', path: 'usr/bin/mariadb' },
    ],
  },
  // The check program of these packages is the server, which runs as such under the other name.
  redis8: {
    title: 'Redis 8',
    suite: 'trixie',
    packages: ['redis-tools'],
    programs: [
      { name: 'redis-server', path: 'usr/bin/redis-check-rdb' },
      { name: 'redis-cli', path: 'usr/bin/redis-cli' },
    ],
  },
  valkey: {
    title: 'Valkey 8',
    suite: 'trixie',
    packages: ['valkey-tools'],
    programs: [
      { name: 'redis-server', path: 'usr/bin/valkey-check-rdb' },
      { name: 'redis-cli', path: 'usr/bin/valkey-cli' },
    ],
  },
};
