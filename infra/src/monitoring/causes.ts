import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Keys } from '@flash-sale/shared/platform/redis/keys.ts';
import { SALES_SHOWN_MAX } from '@flash-sale/shared/platform/telemetry/sale-metrics.ts';
import type { FakeStripe } from '@flash-sale/shared/testing/fake-stripe.ts';
import { get, openRoom, openSale, startCrowd } from './eventful-sale.ts';
import type { OtherApi } from './other-api.ts';
import { payWrongly } from './payment-causes.ts';
import { REDIS_MEMORY_BYTES, type WatchedProcess, type WatchedService } from './watched-service.ts';

const keys = new Keys('');
/** Several times the number of an api process's connections to MySQL. */
const ASKED_AT_ONCE = 60;

/** Alerts whose cause is not made here, with the reason. */
export const NOT_CAUSED: Readonly<Record<string, string>> = {};

/** A receiver of order events that refuses all of them. */
export async function startFailingReceiver(): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(500).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`;
  return {
    url,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

type Progress = (line: string) => void;

/** What the service talks to besides its servers. */
export interface Neighbours {
  readonly stripe: FakeStripe;
  readonly otherApi: Pick<OtherApi, 'breakKeySet'>;
}

/**
 * Makes the cause of each alert in turn, each for as long as its rule requires, and then removes
 * it.
 */
export async function makeCauses(
  service: WatchedService,
  { stripe, otherApi }: Neighbours,
  progress: Progress,
): Promise<void> {
  const sale = await openSale(service);
  const other = await openSale(service);
  const crowd = startCrowd(service, sale.id);
  progress('an api process sheds load without an end while shoppers wait in a room');
  const stopShedding = shedForLong(service);
  await openRoom(service, 30);
  try {
    // Events of orders that are written now wait for their receiver until the end.
    await delay(20_000);
    progress('the identity provider of one process answers without keys from now on; a shopper pays a wrong amount');
    otherApi.breakKeySet();
    await payWrongly(service, stripe, other.id);
    progress(
      'the row of a sale is locked, a table that a service reads is gone, and many ask for their orders at once',
    );
    await holdRow(service, sale.id, async () => {
      await service.mysql.query('RENAME TABLE stock_returns TO stock_returns_gone');
      await repeatFor(180_000, 700, () => askAtOnce(service));
      await service.mysql.query('RENAME TABLE stock_returns_gone TO stock_returns');
    });
    await delay(15_000);
    stopShedding();

    progress('leases are deleted while orders are written');
    await repeatFor(6_000, 10, () => service.redis.del(keys.sale(sale).lease));
    await service.mysql.query('UPDATE products SET fence = fence + 1000 WHERE id = ?', [sale.id]);

    progress('a unit is added by hand, again and again; a process is frozen half of the time; Redis is nearly full');
    const used = Number(/used_memory:(\d+)/.exec(await service.redis.info('memory'))![1]);
    await service.redis.config('SET', 'maxmemory', String(Math.ceil(used * 1.3)));
    await Promise.all([
      repeatFor(50_000, 500, () => service.redis.hincrby(keys.sale(sale).state, 'available', 1)),
      repeatFor(60_000, 500, () => freeze(service.workers[1]!, 500)),
    ]);
    await service.redis.config('SET', 'maxmemory', String(REDIS_MEMORY_BYTES));

    progress('sold units are removed by hand; an open sale is not in Redis, and its row is locked');
    await sellMoreThanThereIs(service, sale.id);
    await holdRow(service, other.id, async () => {
      await service.redis.del(keys.sale(other).state);
      await delay(30_000);
    });

    progress('Redis answers slowly');
    await repeatFor(60_000, 400, () => service.redis.call('CLIENT', 'PAUSE', '400', 'ALL'));

    progress('Redis is down');
    await outage(service.redisServer, 50_000);
    await delay(20_000);

    progress('MySQL is down');
    await outage(service.mysqlServer, 60_000);
    await delay(20_000);

    progress('both workers are killed');
    await Promise.all(service.workers.map((worker) => worker.kill()));
    await delay(90_000);
    await Promise.all(service.workers.map((worker) => worker.start()));
  } finally {
    stopShedding();
    await crowd.stop();
  }
  progress('more sales are live than may have figures of their own');
  for (let i = 0; i < SALES_SHOWN_MAX; i += 1) await openSale(service);
  await delay(90_000);
}

/** Locks the row of a sale during `work`, like a forgotten session. */
async function holdRow({ mysql }: WatchedService, sale: number, work: () => Promise<void>): Promise<void> {
  const session = await mysql.getConnection();
  try {
    await session.beginTransaction();
    await session.query('SELECT id FROM products WHERE id = ? FOR UPDATE', [sale]);
    await work();
  } finally {
    await session.rollback();
    session.release();
  }
}

/**
 * Oversells by one statement that lowers the units below the number of orders: the service itself
 * could not write more orders than units.
 */
async function sellMoreThanThereIs({ mysql }: WatchedService, sale: number): Promise<void> {
  await mysql.query('ALTER TABLE products DROP CONSTRAINT sold_fits');
  await mysql.query('UPDATE products SET seckill_stock = sold - 1 WHERE id = ?', [sale]);
  // Four rounds of the auditor, which cannot repair this, and what the rule wants.
  await delay(75_000);
  await mysql.query('UPDATE products SET seckill_stock = stock WHERE id = ?', [sale]);
  await mysql.query('ALTER TABLE products ADD CONSTRAINT sold_fits CHECK (sold <= seckill_stock)');
}

/** Says, as an api process that sheds load does, that nobody may be called. */
function shedForLong({ redis }: WatchedService): () => void {
  const say = () => void redis.set(keys.shedding(0), '1', 'PX', 5_000).catch(() => undefined);
  say();
  const timer = setInterval(say, 1_000);
  return () => clearInterval(timer);
}

async function askAtOnce(service: WatchedService): Promise<void> {
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, (_, i) => get(service, `/api/v1/orders?user_id=asks-${i}`)));
}

async function freeze(one: WatchedProcess, durationMs: number): Promise<void> {
  one.signal('SIGSTOP');
  await delay(durationMs);
  one.signal('SIGCONT');
}

async function outage(server: WatchedProcess, durationMs: number): Promise<void> {
  await server.kill();
  await delay(durationMs);
  await server.start();
}

async function repeatFor(durationMs: number, pauseMs: number, act: () => Promise<unknown>): Promise<void> {
  const untilMs = performance.now() + durationMs;
  while (performance.now() < untilMs) {
    await act();
    await delay(pauseMs);
  }
}
