import { Redis } from 'ioredis';
import { createConnection } from 'mysql2/promise';
import type { TlsSettings } from '@flash-sale/shared/platform/config/tls.ts';

export interface RedisAddress {
  host: string;
  port: number;
  username?: string | undefined;
  password?: string | undefined;
  tls?: TlsSettings | undefined;
}

export interface MysqlAddress {
  host: string;
  port: number;
  user: string;
  password: string;
  tls?: TlsSettings | undefined;
}

/** Resolves with the server's own process id when it answers and has loaded its data. */
export async function pingRedis(address: RedisAddress): Promise<number> {
  let reason: unknown;
  const client = new Redis({
    host: address.host,
    port: address.port,
    ...(address.username ? { username: address.username } : {}),
    ...(address.password ? { password: address.password } : {}),
    ...(address.tls ? { tls: address.tls } : {}),
    lazyConnect: true,
    connectTimeout: 5_000,
    commandTimeout: 5_000,
    maxRetriesPerRequest: 0,
    // By default a server that loads its data is asked again only after up to 10 s.
    maxLoadingRetryTime: 100,
    retryStrategy: () => null,
  });
  // `connect()` rejects with "Connection is closed"; the cause comes as an event.
  client.on('error', (error) => (reason ??= error));
  try {
    await client.connect();
    const info = await client.info('server');
    return Number(/^process_id:(\d+)/m.exec(info)?.[1]);
  } catch (error) {
    throw reason ?? error;
  } finally {
    client.disconnect();
  }
}

/** Resolves when the server answers a query. */
export async function pingMysql({ tls, ...address }: MysqlAddress): Promise<void> {
  const ssl = tls && { ...tls, verifyIdentity: true };
  const connection = await createConnection({ ...address, ...(ssl ? { ssl } : {}), connectTimeout: 5_000 });
  try {
    await connection.query({ sql: 'SELECT 1', timeout: 5_000 });
  } finally {
    connection.destroy();
  }
}
