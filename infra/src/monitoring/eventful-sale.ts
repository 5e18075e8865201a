import { setTimeout as delay } from 'node:timers/promises';
import { Keys } from '@flash-sale/shared/platform/redis/keys.ts';
import { ORDERS_QUEUE } from '@flash-sale/shared/admission/order-jobs.ts';
import { OPERATOR_TOKEN, REDIS_MEMORY_BYTES, type WatchedService } from './watched-service.ts';

const UNITS = 5_000;
const ROOM_UNITS = 5;
const ROOM_LOADS_MS_MAX = 10_000;
const SHOPPERS_PER_TICK = 3;
const TICK_MS = 40;
const keys = new Keys('');

/**
 * A small sale with everything that the dashboards can show: orders that are written and that
 * expire, and each kind of fault, caused from outside. Every fault is over when this resolves.
 */
export async function runEventfulSale(service: WatchedService, progress: (line: string) => void): Promise<void> {
  const sale = await openSale(service);
  const names = keys.sale(sale);
  // More than the passes for its units.
  await openRoom(service, 30);
  const crowd = startCrowd(service, sale.id);
  const { redis, mysql, workers } = service;
  try {
    progress('shoppers buy; some ask for their orders all at once');
    await delay(2_000);
    await Promise.all(Array.from({ length: 80 }, (_, i) => get(service, `/api/v1/orders?user_id=asks-${i}`)));
    await delay(2_000);

    progress('a session locks the row of the sale, and a worker is killed');
    const lock = await mysql.getConnection();
    await lock.beginTransaction();
    await lock.query('SELECT id FROM products WHERE id = ? FOR UPDATE', [sale.id]);
    // Longer than the time after which the relay adds a reservation's job again.
    await delay(4_000);
    await workers[1]!.kill();
    await delay(2_000);
    await lock.rollback();
    lock.release();

    progress('leases are deleted');
    await repeatFor(1_500, 10, () => redis.del(names.lease));

    progress('the ledger’s fencing token is ahead');
    await mysql.query('UPDATE products SET fence = fence + 1000 WHERE id = ?', [sale.id]);

    progress('connections to MySQL are cut');
    await repeatFor(2_000, 15, () => cutConnections(service));

    progress('jobs cannot be added');
    const queue = `${keys.queuePrefix(sale.shard)}:${ORDERS_QUEUE}:wait`;
    await repeatFor(1_500, 5, () => redis.set(queue, 'in the way', 'NX'));
    if ((await redis.type(queue)) === 'string') await redis.del(queue);
    await workers[1]!.start();

    progress('Redis does not answer');
    await redis.call('CLIENT', 'PAUSE', '1500', 'ALL');
    await delay(2_000);

    progress('Redis is nearly full');
    const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))![1]);
    await redis.config('SET', 'maxmemory', String(Math.ceil(used * 1.15)));
    await delay(3_500);
    await redis.config('SET', 'maxmemory', String(REDIS_MEMORY_BYTES));

    progress('a unit is added by hand, and a sale by SQL');
    await redis.hincrby(names.state, 'available', 1);
    await mysql.query(
      `INSERT INTO products (shard, name, price_cents, stock, seckill_stock, start_time, end_time, created_at)
       SELECT shard, 'by SQL', price_cents, stock, 10, start_time, end_time, created_at FROM products WHERE id = ?`,
      [sale.id],
    );
    // Longer than the pause between two rounds of the auditor.
    await delay(12_000);
  } finally {
    await crowd.stop();
  }
}

/**
 * A sale with a waiting room, in which this many shoppers wait. Some of them are called within
 * seconds.
 */
export async function openRoom(service: WatchedService, shoppers: number): Promise<{ id: number; shard: number }> {
  const opensAt = new Date(Date.now() - 60_000).toISOString();
  const sale = await openSale(service, {
    seckill_stock: ROOM_UNITS,
    waiting_room: { opens_at: opensAt, admit_per_second: 2 },
  });
  for (let i = 0; i < shoppers; i += 1) {
    await untilTicket(() => post(service, '/api/v1/seckill/queue', { user_id: `waits-${i}`, product_id: sale.id }));
  }
  return sale;
}

/** A room is loaded a moment after its sale was created. */
async function untilTicket(join: () => Promise<Answer>): Promise<void> {
  const untilMs = performance.now() + ROOM_LOADS_MS_MAX;
  while ((await join())['ticket'] === undefined) {
    if (performance.now() > untilMs) throw new Error('the waiting room lets nobody join');
    await delay(100);
  }
}

export async function openSale({ api }: WatchedService, fields: object = {}): Promise<{ id: number; shard: number }> {
  const nowMs = Date.now();
  const response = await fetch(`${api}/api/v1/admin/products`, {
    method: 'POST',
    headers: { authorization: `Bearer ${OPERATOR_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      name: 'watched sale',
      price: 19.99,
      stock: UNITS,
      seckill_stock: UNITS,
      start_time: new Date(nowMs - 1_000).toISOString(),
      end_time: new Date(nowMs + 3_600_000).toISOString(),
      ...fields,
    }),
  });
  if (response.status !== 201) throw new Error(`the sale was not opened: ${await response.text()}`);
  const { id } = (await response.json()) as { id: number };
  return { id, shard: 0 };
}

/**
 * A constant stream of shoppers: each gets a seckill token, buys, buys again, and waits for the
 * order.
 */
export function startCrowd(service: WatchedService, productId: number): { stop(): Promise<void> } {
  const shopping = new Set<Promise<void>>();
  let count = 0;
  const come = (): void => {
    for (let i = 0; i < SHOPPERS_PER_TICK; i += 1) {
      const visit = shop(service, productId, `shopper-${(count += 1)}`).finally(() => shopping.delete(visit));
      shopping.add(visit);
    }
  };
  const timer = setInterval(come, TICK_MS);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(shopping);
    },
  };
}

/** One unit. @throws if the buy is refused */
export async function buy(service: WatchedService, productId: number, userId: string): Promise<string> {
  const { order_no: orderNo, code } = await post(
    service,
    '/api/v1/seckill/buy',
    await bodyOf(service, productId, userId),
  );
  if (orderNo === undefined) throw new Error(`the buy was refused: ${code}`);
  return orderNo;
}

async function bodyOf(service: WatchedService, productId: number, userId: string): Promise<object> {
  const { token } = await post(service, '/api/v1/seckill/token', { user_id: userId, product_id: productId });
  return { user_id: userId, product_id: productId, token: token ?? 'none' };
}

async function shop(service: WatchedService, productId: number, userId: string): Promise<void> {
  const body = await bodyOf(service, productId, userId);
  const { order_no: orderNo } = await post(service, '/api/v1/seckill/buy', body);
  if (orderNo === undefined) return;
  await post(service, '/api/v1/seckill/buy', body);
  await get(service, `/api/v1/orders/${orderNo}?wait=2`);
}

type Answer = Record<string, string | undefined>;

/** Never rejects: a shopper without an answer leaves. */
async function call(url: string, init: RequestInit): Promise<Answer> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) });
    return (await response.json()) as Answer;
  } catch {
    return {};
  }
}

export const get = ({ api }: WatchedService, path: string): Promise<Answer> => call(`${api}${path}`, {});

export const post = ({ api }: WatchedService, path: string, body: object): Promise<Answer> =>
  call(`${api}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

/** Ends every busy connection to MySQL except our own. */
async function cutConnections({ mysql }: WatchedService): Promise<void> {
  const [rows] = await mysql.query(
    `SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()`,
  );
  for (const { id } of rows as { id: number }[]) await mysql.query('KILL ?', [id]).catch(() => undefined);
}

async function repeatFor(durationMs: number, pauseMs: number, act: () => Promise<unknown>): Promise<void> {
  const untilMs = performance.now() + durationMs;
  while (performance.now() < untilMs) {
    await act();
    await delay(pauseMs);
  }
}
