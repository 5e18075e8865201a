import { createPool, type Pool } from 'mysql2/promise';

/** The common part of api and worker of `usual`: addresses, and the content of a job. */
export const QUEUE = 'usual-orders';

export interface OrderJob {
  readonly order_no: string;
  readonly product_id: number;
  readonly user_id: string;
  readonly price_cents: number;
  readonly created_at_ms: number;
}

const setting = (name: string): string => process.env[name] ?? '';

export function redisOptions() {
  const [host, port] = setting('REDIS_ADDR').split(':');
  return { host: host!, port: Number(port), password: setting('REDIS_PASSWORD') };
}

/** A pool in the database `DB_NAME`, which is created with its tables if it does not exist. */
export async function openDb(connectionLimit: number): Promise<Pool> {
  const address = {
    host: setting('DB_HOST'),
    port: Number(setting('DB_PORT')),
    user: setting('DB_USER'),
    password: setting('DB_PASSWORD'),
  };
  const first = createPool({ ...address, connectionLimit: 1 });
  await first.query(`CREATE DATABASE IF NOT EXISTS ${setting('DB_NAME')}`);
  await first.end();
  const pool = createPool({ ...address, database: setting('DB_NAME'), connectionLimit });
  await pool.query(`CREATE TABLE IF NOT EXISTS products (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(200) NOT NULL,
    price_cents BIGINT NOT NULL,
    seckill_stock INT UNSIGNED NOT NULL,
    sold INT UNSIGNED NOT NULL DEFAULT 0
  ) ENGINE = InnoDB`);
  await pool.query(`CREATE TABLE IF NOT EXISTS orders (
    order_no VARCHAR(53) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    product_id BIGINT NOT NULL,
    user_id VARBINARY(64) NOT NULL,
    status VARCHAR(16) NOT NULL,
    price_cents BIGINT NOT NULL,
    created_at DATETIME(3) NOT NULL,
    UNIQUE KEY one_order (product_id, user_id),
    KEY by_user (user_id)
  ) ENGINE = InnoDB`);
  return pool;
}
