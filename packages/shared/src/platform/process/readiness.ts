import { tryWrite, type Db } from '../mysql/client.ts';
import { isReadOnly } from '../mysql/errors.ts';
import { pingRedis, type RedisClient } from '../redis/client.ts';
import { answers, type Readiness } from '../telemetry/ops-server.ts';

/**
 * The state of a process's servers: whether they answer now, and whether each has answered since
 * the start.
 */
export class ServerReadiness {
  readonly #redis: RedisClient;
  readonly #db: Db;
  #redisSeen: boolean;
  #mysqlSeen = false;

  constructor({ redis, db }: { readonly redis: RedisClient; readonly db: Db }) {
    this.#redis = redis;
    this.#db = db;
    // A connection is ready after the server has accepted our credentials.
    this.#redisSeen = redis.status === 'ready';
    redis.once('ready', () => (this.#redisSeen = true));
  }

  /**
   * `seen`: each server has answered since the start. With a wrong password or address it never
   * does.
   */
  async check(): Promise<Pick<Readiness, 'redis' | 'mysql'> & { readonly seen: boolean }> {
    let isWritable = true;
    const writes = async (): Promise<void> => {
      try {
        await tryWrite(this.#db);
      } catch (error) {
        if (!isReadOnly(error)) throw error;
        isWritable = false;
      }
    };
    const [redis, mysql] = await Promise.all([answers(() => pingRedis(this.#redis)), answers(writes)]);
    this.#redisSeen ||= redis;
    this.#mysqlSeen ||= mysql;
    return { redis, mysql: mysql && !isWritable ? 'read_only' : mysql, seen: this.#redisSeen && this.#mysqlSeen };
  }
}
