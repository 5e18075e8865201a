import { Redis } from 'ioredis';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';

/**
 * Changes that are not the effect of a request, or that a refused one may make: fencing tokens and
 * leases of background services, how far a gate has called, signs of life of processes, queues,
 * rate limits, statistics, caches.
 */
const PASSING_KEYS =
  /:queue:|:service:|:processes:|bucket|limit|challenge|:settled:|:changed:|:backlog:|:(outcomes|lease|fence|lease_waiting|building|room)$|^v4:(queue|service)/;
const PASSING_COLUMNS = new Set([
  'products.fence',
  'service_leads.holder',
  'service_leads.leads_until',
  'redis_histories.seen_at',
  ...['version', 'gate', 'calls', 'paced_ms', 'late'].map((column) => `gates.${column}`),
]);
const SCAN_COUNT = 2_000;
/** What Redis answers for a key that does not exist. */
const DIGEST_OF_NOTHING = '0'.repeat(40);

export interface StateAddress {
  readonly mysql: {
    readonly port: number;
    readonly user: string;
    readonly password: string;
    readonly database: string;
  };
  readonly redis: { readonly port: number; readonly password: string };
}

export interface Content {
  readonly checksum: string;
  /** When Redis deletes the key; undefined: never. */
  readonly endsMs?: number | undefined;
}

/** Name of a table or a key → its content. */
export type State = ReadonlyMap<string, Content>;

/**
 * Reads everything that a request could change, as one checksum for each table and each kind of
 * key.
 */
export class StateReader {
  readonly #connection: Connection;
  readonly #redis: Redis;
  readonly #tables: ReadonlyMap<string, string>;

  private constructor(connection: Connection, redis: Redis, tables: ReadonlyMap<string, string>) {
    this.#connection = connection;
    this.#redis = redis;
    this.#tables = tables;
  }

  static async open({ mysql, redis }: StateAddress): Promise<StateReader> {
    const connection = await createConnection({ host: '127.0.0.1', ...mysql });
    const [columns] = await connection.query<RowDataPacket[]>(
      'SELECT table_name AS t, column_name AS c FROM information_schema.columns WHERE table_schema = ?',
      [mysql.database],
    );
    const lasting = columns.filter(({ t, c }) => !PASSING_COLUMNS.has(`${t}.${c}`));
    const tables = new Map(
      [...Map.groupBy(lasting, ({ t }) => String(t))].map(([table, own]) => {
        // Bytes, so that no collation makes two values equal.
        const row = own.map(({ c }) => `COALESCE(HEX(\`${c}\`), '-')`).join(', ');
        return [table, `SELECT COUNT(*) AS n, BIT_XOR(CRC32(CONCAT_WS('/', ${row}))) AS sum FROM \`${table}\``];
      }),
    );
    return new StateReader(connection, new Redis({ host: '127.0.0.1', ...redis }), tables);
  }

  async read(): Promise<State> {
    const state = new Map<string, Content>();
    for (const [table, query] of this.#tables) {
      const [rows] = await this.#connection.query<RowDataPacket[]>(query);
      state.set(`table ${table}`, { checksum: `${rows[0]!['n']} rows ${rows[0]!['sum']}` });
    }
    const keys = (await this.#keys()).filter((key) => !PASSING_KEYS.test(key)).toSorted();
    // First the ends: of a key that ends between the two, the content is not seen either.
    const ends = await Promise.all(keys.map((key) => this.#redis.pexpiretime(key)));
    const digests = keys.length === 0 ? [] : ((await this.#redis.call('DEBUG', 'DIGEST-VALUE', ...keys)) as string[]);
    for (const [i, key] of keys.entries()) {
      if (digests[i] === DIGEST_OF_NOTHING) continue;
      state.set(`key ${key}`, { checksum: digests[i]!, endsMs: ends[i]! > 0 ? ends[i] : undefined });
    }
    return state;
  }

  /**
   * Whether background work is left: sales and waiting rooms to load, orders to write, units to
   * give back, refunds to confirm.
   */
  async isMoving(): Promise<boolean> {
    const [sales] = await this.#connection.query<RowDataPacket[]>(
      'SELECT id, version, room_opens_at IS NOT NULL AS has_room FROM products',
    );
    for (const { id, version, has_room: hasRoom } of sales) {
      const [ready, loaded] = await this.#redis.hmget(`v4:sale:{0}:${id}:state`, 'ready', 'version');
      if (ready !== '1' || loaded !== String(version)) return true;
      if (hasRoom === 1 && (await this.#redis.exists(`v4:sale:{0}:${id}:room`)) === 0) return true;
    }
    for (const key of await this.#keys()) {
      if (key.endsWith(':batch_times') && (await this.#redis.zcard(key)) > 0) return true;
    }
    const [rows] = await this.#connection.query<RowDataPacket[]>(
      `SELECT (SELECT COUNT(*) FROM stock_returns WHERE applied_at IS NULL)
            + (SELECT COUNT(*) FROM payments WHERE status = 'refund_pending') AS n`,
    );
    return Number(rows[0]!['n']) > 0;
  }

  /**
   * Sales that violate conservation: available and held units must equal the units, and the held
   * ones must be those of live orders. Call it when nothing changes any more.
   */
  async unbalancedSales(): Promise<string[]> {
    const [sales] = await this.#connection.query<RowDataPacket[]>(
      `SELECT p.id, p.seckill_stock, p.sold,
              (SELECT CAST(COALESCE(SUM(o.quantity), 0) AS SIGNED) FROM orders o
                WHERE o.product_id = p.id AND o.status IN ('pending_payment', 'paid')) AS live
         FROM products p`,
    );
    const unbalanced: string[] = [];
    for (const { id, seckill_stock: seckillStock, sold, live } of sales as { [column: string]: number }[]) {
      const at = `v4:sale:{0}:${id}`;
      const [[available, extraHeld], owners] = await Promise.all([
        this.#redis.hmget(`${at}:state`, 'available', 'extra_held'),
        this.#redis.hlen(`${at}:owners`),
      ]);
      const held = owners + Number(extraHeld);
      const isLoaded = available !== null;
      if (sold !== live || (isLoaded && (Number(available) + held !== seckillStock || held !== live))) {
        unbalanced.push(
          `sale ${id}: stock ${seckillStock}, sold ${sold}, live ${live}, held ${held}, available ${available}`,
        );
      }
    }
    return unbalanced;
  }

  /** The secret that signs the sandbox's webhooks. */
  async sandboxSecret(): Promise<string> {
    const [rows] = await this.#connection.query<RowDataPacket[]>('SELECT secret FROM token_secrets');
    return String(rows[0]!['secret']);
  }

  close(): void {
    this.#connection.destroy();
    this.#redis.disconnect();
  }

  async #keys(): Promise<string[]> {
    const found: string[] = [];
    let cursor = '0';
    do {
      const [next, keys] = await this.#redis.scan(cursor, 'COUNT', SCAN_COUNT);
      found.push(...keys);
      cursor = next;
    } while (cursor !== '0');
    return [...new Set(found)];
  }
}

/**
 * The names of what differs between two states. A key that Redis has deleted at its time does not.
 *
 * @param nowMs the time, no earlier than that of `after`
 */
export function differences(before: State, after: State, nowMs: number): string[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].flatMap((name) => {
    const [was, is] = [before.get(name), after.get(name)];
    const hasEnded = is === undefined && was?.endsMs !== undefined && was.endsMs <= nowMs;
    if (hasEnded || was?.checksum === is?.checksum) return [];
    return [`${name}: ${was?.checksum ?? 'nothing'} → ${is?.checksum ?? 'nothing'}`];
  });
}
