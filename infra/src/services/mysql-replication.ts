import { setTimeout as delay } from 'node:timers/promises';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { privateMysqlUser, startMysql, type MysqlOptions } from './mysql.ts';
import type { PrivateServer } from './private-server.ts';
import { findMysqlProgram, searchFolders } from './programs.ts';
import { StartFailure } from './start-failure.ts';

const CATCH_UP_SECONDS = 60;
const FOLLOWS_MS_MAX = 60_000;
/** Longer than any test: a primary must not fall back to asynchronous replication by itself. */
const ACKNOWLEDGED_MS_MAX = 3_600_000;

export interface MysqlPairOptions extends Pick<MysqlOptions, 'dataDir' | 'password'> {
  /**
   * Semi-synchronous: the primary answers a COMMIT only after the replica has it. Otherwise
   * asynchronous: a COMMIT does not wait for the replica.
   */
  readonly semiSync: boolean;
}

/** A primary and a replica that follows it. Both write their own binary log. */
export interface MysqlPair {
  readonly primary: PrivateServer;
  readonly replica: PrivateServer;
  /** Runs a statement on one of the servers, with all rights. */
  readonly query: (server: PrivateServer, statement: string) => Promise<RowDataPacket[]>;
  /** Stops the replication, as a network does that fails between the two servers. */
  readonly cutOff: () => Promise<void>;
  /**
   * Makes the replica a primary, as an orchestrator does: it first applies all that the replica has
   * received, then lets it take writes.
   */
  readonly promote: () => Promise<void>;
}

/** Starts a primary and its replica on loopback, and resolves when the replica follows. */
export async function startMysqlPair({ dataDir, password, semiSync }: MysqlPairOptions): Promise<MysqlPair> {
  const program = findMysqlProgram(searchFolders(process.env));
  if (!program) throw new StartFailure('this needs the program mysqld (8.0+) or mariadbd (10.11+)');
  const dialect = program.flavour === 'mysql' ? mysql : mariadb;
  const start = (name: string, id: number, more: readonly string[]) =>
    startMysql({ program, dataDir, name, password, flags: [...logFlags(id), ...dialect.flags, ...more] });
  const [primary, replica] = await Promise.all([
    start('mysql-1', 1, semiSync ? dialect.semiSyncPrimary : []),
    start('mysql-2', 2, semiSync ? dialect.semiSyncReplica : []),
  ]);

  const query = async (server: PrivateServer, statement: string): Promise<RowDataPacket[]> => {
    const { host, port } = server;
    const connection = await createConnection({ host, port, user: privateMysqlUser, password });
    try {
      const [rows] = await connection.query<RowDataPacket[]>(statement);
      return rows;
    } finally {
      connection.destroy();
    }
  };
  const onReplica = async (statements: readonly string[]): Promise<void> => {
    for (const statement of statements) await query(replica, statement);
  };

  await onReplica([dialect.follow(primary.port, password), 'START REPLICA', ...dialect.setReadOnly(true)]);
  // Until a semi-synchronous replica is connected, a change of accounts on MySQL waits for it, and
  // keeps everybody from logging in, the replica too.
  const untilMs = Date.now() + FOLLOWS_MS_MAX;
  for (;;) {
    const [status] = await query(replica, 'SHOW REPLICA STATUS');
    if ((status!['Replica_IO_Running'] ?? status!['Slave_IO_Running']) === 'Yes') break;
    if (Date.now() > untilMs) throw new StartFailure(`the replica does not follow: ${status!['Last_IO_Error']}`);
    await delay(50);
  }
  return {
    primary,
    replica,
    query,
    cutOff: () => onReplica(['STOP REPLICA IO_THREAD']),
    async promote() {
      await onReplica(['STOP REPLICA IO_THREAD']);
      const [status] = await query(replica, 'SHOW REPLICA STATUS');
      const [applied] = await query(replica, dialect.awaitApplied(status!));
      if (applied!['unapplied'] !== 0)
        throw new Error(`the replica did not apply its relay log: ${status!['Last_Error']}`);
      await onReplica(['STOP REPLICA', 'RESET REPLICA ALL', ...dialect.setReadOnly(false)]);
    },
  };
}

/** A committed transaction is on disk, in InnoDB and in the binary log, before its reply. */
const logFlags = (id: number): string[] => [
  `--server-id=${id}`,
  '--log-bin=binlog',
  '--binlog-format=ROW',
  '--sync-binlog=1',
];

interface Dialect {
  readonly flags: readonly string[];
  readonly semiSyncPrimary: readonly string[];
  readonly semiSyncReplica: readonly string[];
  readonly follow: (port: number, password: string) => string;
  readonly setReadOnly: (on: boolean) => readonly string[];
  /** A query that waits until the replica has applied all it received; 0: it has. */
  readonly awaitApplied: (status: RowDataPacket) => string;
}

const mysql: Dialect = {
  flags: ['--gtid-mode=ON', '--enforce-gtid-consistency=ON'],
  semiSyncPrimary: [
    '--plugin-load-add=semisync_source.so',
    '--loose-rpl-semi-sync-source-enabled=ON',
    '--loose-rpl-semi-sync-source-wait-point=AFTER_SYNC',
    `--loose-rpl-semi-sync-source-timeout=${ACKNOWLEDGED_MS_MAX}`,
  ],
  semiSyncReplica: ['--plugin-load-add=semisync_replica.so', '--loose-rpl-semi-sync-replica-enabled=ON'],
  follow: (port, password) => `
    CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = ${port},
      SOURCE_USER = '${privateMysqlUser}', SOURCE_PASSWORD = '${password}', GET_SOURCE_PUBLIC_KEY = 1,
      SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 1`,
  setReadOnly: (on) => [`SET GLOBAL super_read_only = ${on ? 1 : 0}`, ...(on ? [] : ['SET GLOBAL read_only = 0'])],
  awaitApplied: ({ Retrieved_Gtid_Set: received }) =>
    `SELECT WAIT_FOR_EXECUTED_GTID_SET('${received}', ${CATCH_UP_SECONDS}) AS unapplied`,
};

const mariadb: Dialect = {
  flags: [],
  semiSyncPrimary: [
    '--rpl-semi-sync-master-enabled=ON',
    '--rpl-semi-sync-master-wait-point=AFTER_SYNC',
    `--rpl-semi-sync-master-timeout=${ACKNOWLEDGED_MS_MAX}`,
  ],
  semiSyncReplica: ['--rpl-semi-sync-slave-enabled=ON'],
  follow: (port, password) => `
    CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${port}, MASTER_USER = '${privateMysqlUser}',
      MASTER_PASSWORD = '${password}', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1`,
  setReadOnly: (on) => [`SET GLOBAL read_only = ${on ? 1 : 0}`],
  awaitApplied: ({ Gtid_IO_Pos: received }) =>
    `SELECT MASTER_GTID_WAIT('${received}', ${CATCH_UP_SECONDS}) AS unapplied`,
};
