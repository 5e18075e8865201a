import { createServer } from 'node:http';
import { Worker } from 'bullmq';
import type { ResultSetHeader } from 'mysql2';
import { exitProcess } from '@flash-sale/shared/platform/process/exit.ts';
import { openDb, QUEUE, redisOptions, type OrderJob } from './usual.ts';

/**
 * The worker of `usual`: one job and one transaction per order. It is built to be fast: the order
 * is inserted before the sale's row is locked, so that the lock is held only for one statement and
 * the commit.
 */
const concurrency = Number(process.env['WORKER_CONCURRENCY']);
const db = await openDb(concurrency);

const worker = new Worker<OrderJob>(
  QUEUE,
  async ({
    data: {
      order_no: orderNo,
      product_id: productId,
      user_id: userId,
      price_cents: priceCents,
      created_at_ms: createdAtMs,
    },
  }) => {
    const connection = await db.getConnection();
    try {
      await connection.beginTransaction();
      await connection.query(
        `INSERT INTO orders (order_no, product_id, user_id, status, price_cents, created_at)
         VALUES (?, ?, ?, 'pending_payment', ?, ?)`,
        [orderNo, productId, userId, priceCents, new Date(createdAtMs)],
      );
      const [{ affectedRows }] = await connection.query<ResultSetHeader>(
        'UPDATE products SET sold = sold + 1 WHERE id = ? AND sold < seckill_stock',
        [productId],
      );
      if (affectedRows !== 1) throw new Error('no unit left');
      await connection.commit();
    } catch (error) {
      await connection.rollback();
      throw error;
    } finally {
      connection.release();
    }
  },
  { connection: { ...redisOptions(), maxRetriesPerRequest: null }, concurrency },
);
worker.on('error', (error) => console.error(error));
await worker.waitUntilReady();
createServer((_request, response) => response.end('ok')).listen(Number(process.env['SERVER_PORT']), '127.0.0.1');
process.on('SIGTERM', () => void worker.close().finally(() => exitProcess(0)));
