import type { MysqlPool, MysqlPoolConnection, MysqlQueryResult, MysqlStream, MysqlStreamOptions } from 'kysely';
import type { Pool, PoolConnection, QueryValues } from 'mysql2';
import { isReadOnly } from './errors.ts';

/**
 * How often all connections may be closed because their server is read-only: it may stay so for
 * long.
 */
const LEAVE_INTERVAL_MS = 1_000;

type Callback = Parameters<MysqlPool['getConnection']>[0];

/**
 * The pool as Kysely sees it. A connection is used only after its session is set up without an
 * error. If a server refuses a write because it is read-only, its connections are closed: after a
 * failover the name, or the proxy, leads to another server.
 */
export class SessionPool implements MysqlPool {
  readonly #pool: Pool;
  readonly #statements: readonly string[];
  readonly #sessions = new WeakMap<PoolConnection, Session>();
  #leftMs = Number.NEGATIVE_INFINITY;

  /** @param statements the statements that set up a session */
  constructor(pool: Pool, statements: readonly string[]) {
    this.#pool = pool;
    this.#statements = statements;
  }

  getConnection(callback: Callback): void {
    this.#pool.getConnection((error, connection) => {
      if (error) {
        callback(error, undefined as unknown as MysqlPoolConnection);
        return;
      }
      const session = this.#sessions.get(connection);
      if (session === undefined) {
        this.#begin(connection, callback);
      } else if (session.openedMs <= this.#leftMs) {
        connection.destroy();
        this.getConnection(callback);
      } else {
        callback(undefined, session);
      }
    });
  }

  /**
   * Succeeds also if a connection fails meanwhile: a process can end cleanly while MySQL is away.
   */
  end(callback: (error: unknown) => void): void {
    this.#pool.end(() => callback(undefined));
  }

  #begin(connection: PoolConnection, callback: Callback): void {
    const openedMs = performance.now();
    const [last, ...before] = this.#statements.toReversed();
    let failure: unknown;
    // The statements run in order on the connection, so the last one's answer comes last.
    for (const statement of before.toReversed()) connection.query(statement, (error) => (failure ??= error));
    connection.query(last!, (error) => {
      failure ??= error;
      if (failure) {
        connection.destroy();
        callback(failure, undefined as unknown as MysqlPoolConnection);
        return;
      }
      const session = new Session(connection, openedMs, () => this.#leave());
      this.#sessions.set(connection, session);
      callback(undefined, session);
    });
  }

  /** Closes each connection when it is next free or requested. */
  #leave(): void {
    const nowMs = performance.now();
    if (nowMs - this.#leftMs >= LEAVE_INTERVAL_MS) this.#leftMs = nowMs;
  }
}

class Session implements MysqlPoolConnection {
  readonly openedMs: number;
  readonly #connection: PoolConnection;
  readonly #onReadOnly: () => void;
  #isReadOnly = false;

  constructor(connection: PoolConnection, openedMs: number, onReadOnly: () => void) {
    this.#connection = connection;
    this.openedMs = openedMs;
    this.#onReadOnly = onReadOnly;
  }

  get config(): object {
    return this.#connection.config;
  }

  get threadId(): number {
    return this.#connection.threadId;
  }

  connect(callback?: (error: unknown) => void): void {
    this.#connection.connect(callback);
  }

  destroy(): void {
    this.#connection.destroy();
  }

  query(
    sql: string,
    parameters: QueryValues,
    callback?: (error: unknown, result: MysqlQueryResult) => void,
  ): { stream: (options: MysqlStreamOptions) => MysqlStream } {
    if (callback === undefined) return this.#connection.query(sql, parameters);
    return this.#connection.query(sql, parameters, (error, result) => {
      if (isReadOnly(error)) {
        this.#isReadOnly = true;
        this.#onReadOnly();
      }
      callback(error, result as unknown as MysqlQueryResult);
    });
  }

  release(): void {
    if (this.#isReadOnly) this.#connection.destroy();
    else this.#connection.release();
  }
}
