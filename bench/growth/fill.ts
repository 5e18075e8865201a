import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Pool, ResultSetHeader, RowDataPacket } from 'mysql2/promise';
import { newBatchNo, newOrderNumber } from '@flash-sale/shared/order/order-number.ts';
import type { Sale } from '../scenarios/sale.ts';

const STEP = 5_000;
const LOOK_MS = 50;
/** No sale has this id. */
const NO_SALE = 1_000_000_000;

/**
 * Raises the number of a sale's owners to `count`, as if that many shoppers had bought, and takes
 * their units.
 */
export async function fillOwners(redis: Redis, sale: Sale, count: number): Promise<void> {
  const [owners, state] = [`v4:sale:{0}:${sale.id}:owners`, `v4:sale:{0}:${sale.id}:state`];
  const nowMs = Date.now();
  for (let have = await redis.hlen(owners); have < count; have += STEP) {
    const step = Math.min(STEP, count - have);
    const fields = new Map(
      Array.from({ length: step }, (_, i) => [
        `owner-${have + i}`,
        newOrderNumber({ id: sale.id, shard: 0 }, newBatchNo(nowMs)),
      ]),
    );
    await redis.multi().hset(owners, fields).hincrby(state, 'available', -step).exec();
  }
}

/**
 * Raises the number of rows in the ledger to `count`, with orders of a sale that does not exist.
 */
export async function fillOrders(sql: Pool, count: number): Promise<void> {
  const [rows] = await sql.query<RowDataPacket[]>('SELECT COUNT(*) AS found FROM orders');
  const now = new Date();
  for (let have = Number(rows[0]!['found']); have < count; have += STEP) {
    const values = Array.from({ length: Math.min(STEP, count - have) }, (_, i) => {
      const orderNo = newOrderNumber({ id: NO_SALE, shard: 0 }, newBatchNo(now.getTime()));
      return [orderNo, NO_SALE, `owner-${have + i}`, 'paid', 1_999, now, now];
    });
    await sql.query<ResultSetHeader>(
      'INSERT INTO orders (order_no, product_id, user_id, status, price_cents, created_at, updated_at) VALUES ?',
      [values],
    );
  }
}

/**
 * Lets both servers finish the work that filling has caused, so that it does not count as the cost
 * of a buy: MySQL's dirty pages, Redis's log.
 */
export async function untilTidy(redis: Redis, sql: Pool): Promise<void> {
  const connection = await sql.getConnection();
  try {
    await connection.query('FLUSH TABLES orders FOR EXPORT');
    await connection.query('UNLOCK TABLES');
  } finally {
    connection.release();
  }
  await redis.bgrewriteaof();
  while (/aof_rewrite_(in_progress|scheduled):1/.test(await redis.info('persistence'))) await pause(LOOK_MS);
}
