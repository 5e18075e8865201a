import type { Socket } from 'node:net';
import { Kysely, MysqlDialect, sql, type Transaction } from 'kysely';
import { createConnection, createPool, escapeId, type ConnectionOptions, type Pool } from 'mysql2';
import type { Config } from '../config/config.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { dbTls } from '../config/tls.ts';
import { sessionStatements, type SessionLimits } from './session.ts';
import { SessionPool } from './session-pool.ts';
import { statementText } from './statement-text.ts';
import type { Database } from './schema.ts';

export type Db = Kysely<Database>;
export type Tx = Transaction<Database>;

type DbMetrics = Pick<Metrics, 'mysqlQuerySeconds' | 'mysqlQueryErrors' | 'mysqlPoolConnections' | 'mysqlPoolWaits'>;

type DbConfig = Pick<Config, 'DB_HOST' | 'DB_PORT' | 'DB_USER' | 'DB_PASSWORD' | 'DB_NAME' | 'DB_POOL_MAX'> &
  Parameters<typeof dbTls>[0];

const CONNECT_TIMEOUT_MS = 3_000;
/** Maximum number of queries that wait for a connection of a pool. One more fails at once. */
const WAITING_MAX = 1_000;

/**
 * `general`: reads and small transactions. `lease`: work under a lease. For both, the server
 * closes a connection 5 s after its process froze, which frees its row locks, and a lock wait takes
 * at most 3 s: together less than the 10 s in which a sale must continue. `schema`: migrations,
 * which may take longer.
 */
export type PoolUse = 'general' | 'lease' | 'schema';

interface PoolSettings {
  readonly session: SessionLimits;
  /** How long a query may wait for an answer of the server; 0: no limit. */
  readonly silenceMsMax: number;
  /** Close idle connections before the server does. */
  readonly idleMsMax: number;
}

const IN_A_SALE: PoolSettings = {
  session: { lockWaitSeconds: 3, tableLockWaitSeconds: 5, clientSilenceSeconds: 5, statementSeconds: 60 },
  silenceMsMax: 8_000,
  idleMsMax: 2_000,
};

const SETTINGS: Readonly<Record<PoolUse, PoolSettings>> = {
  general: IN_A_SALE,
  lease: IN_A_SALE,
  // A frozen migration holds the lock of all migrations, and so blocks every process that starts.
  schema: {
    session: { lockWaitSeconds: 60, tableLockWaitSeconds: 3_600, clientSilenceSeconds: 10, statementSeconds: 0 },
    silenceMsMax: 0,
    idleMsMax: 5_000,
  },
};

/** Opens a pool. It connects at the first query. */
export function connectDb(config: DbConfig, use: PoolUse, metrics?: DbMetrics, waitingMax = WAITING_MAX): Db {
  const { session, silenceMsMax, idleMsMax } = SETTINGS[use];
  const pool = createPool({
    ...connectionOptions(config),
    database: config.DB_NAME,
    connectionLimit: config.DB_POOL_MAX,
    queueLimit: waitingMax,
    // Each second, mysql2 closes the connections that are free, whatever `idleTimeout` says. So no
    // connection stays on a server that has become a replica, even if it only reads.
    maxIdle: 0,
    idleTimeout: idleMsMax,
    // VARBINARY columns hold ASCII here. Read them as text.
    typeCast: (field, next) => (field.type === 'VAR_STRING' ? field.string() : next()),
  });
  pool.on('connection', (connection) => {
    // Destroying the stream fails the waiting query. mysql2's own destroy() would leave it waiting.
    const { stream } = connection as unknown as { stream: Socket };
    stream.setTimeout(silenceMsMax, () => stream.destroy(new Error('MySQL did not answer in time')));
  });
  const dialect = new MysqlDialect({ pool: new SessionPool(pool, sessionStatements(session)) });
  if (metrics === undefined) return new Kysely<Database>({ dialect });
  watchPool(pool, use, metrics);
  return new Kysely<Database>({
    dialect,
    log({ level, queryDurationMillis }) {
      if (level === 'error') metrics.mysqlQueryErrors.inc({ pool: use });
      else metrics.mysqlQuerySeconds.observe(use, queryDurationMillis / 1_000);
    },
  });
}

/** Shows how many connections of the pool are in use and idle, and counts the waits for one. */
function watchPool(pool: Pool, use: PoolUse, metrics: DbMetrics): void {
  const inUse = new Set<unknown>();
  let open = 0;
  metrics.mysqlPoolConnections.ask({ pool: use, state: 'in_use' }, () => inUse.size);
  metrics.mysqlPoolConnections.ask({ pool: use, state: 'idle' }, () => open - inUse.size);
  pool.on('connection', (connection) => {
    open += 1;
    const { stream } = connection as unknown as { stream: Socket };
    // Also if the connection was destroyed in use, and so is never released.
    stream.once('close', () => {
      open -= 1;
      inUse.delete(connection);
    });
  });
  pool.on('acquire', (connection) => inUse.add(connection));
  pool.on('release', (connection) => inUse.delete(connection));
  pool.on('enqueue', () => metrics.mysqlPoolWaits.inc({ pool: use }));
  metrics.mysqlPoolWaits.inc({ pool: use }, 0);
  metrics.mysqlQueryErrors.inc({ pool: use }, 0);
}

/** Creates the database if it does not exist. */
export async function createDatabase(config: DbConfig): Promise<void> {
  const connection = createConnection(connectionOptions(config)).promise();
  try {
    for (const statement of sessionStatements(SETTINGS.schema.session)) await connection.query(statement);
    await connection.query(`CREATE DATABASE IF NOT EXISTS ${escapeId(config.DB_NAME, true)} CHARACTER SET utf8mb4`);
  } finally {
    connection.destroy();
  }
}

/** Whether MySQL answers. */
export async function pingDb(db: Db): Promise<void> {
  await sql`SELECT 1`.execute(db);
}

/** Whether MySQL accepts writes, tested with an update that finds no row. */
export async function tryWrite(db: Db): Promise<void> {
  await sql`UPDATE deny_list_version SET version = version WHERE id = 0`.execute(db);
}

function connectionOptions(config: DbConfig): ConnectionOptions {
  const tls = dbTls(config);
  return {
    // With `ssl` set, mysql2 never falls back to plain text.
    ...(tls === undefined ? {} : { ssl: { ...tls, rejectUnauthorized: true, verifyIdentity: true } }),
    host: config.DB_HOST,
    port: config.DB_PORT,
    user: config.DB_USER,
    password: config.DB_PASSWORD,
    charset: 'utf8mb4',
    queryFormat: statementText,
    timezone: 'Z',
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableKeepAlive: true,
  };
}
