import { createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { sql } from 'kysely';
import { afterEach, describe, expect, test } from 'vitest';
import { connectDb, pingDb, type Db, type Tx } from '../../../src/platform/mysql/client.ts';
import {
  dbFault,
  isDbOutage,
  isDuplicate,
  isRejectedByMysql,
  isRolledBack,
  MYSQL_ERRORS,
} from '../../../src/platform/mysql/errors.ts';
import { insertOrders } from '../../../src/order/orders-table.ts';
import { newBatchNo, newOrderNumber } from '../../../src/order/order-number.ts';
import type { Order } from '../../../src/order/order.ts';
import type { Sale } from '../../../src/sale/sale.ts';
import { testContext, type TestContext } from '../../../testing/support.ts';

const context = await testContext();

const opened: Db[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((db) => db.destroy()));
});
/** A pool of its own, for a test that breaks its connections. */
function openDb(fields: Partial<TestContext['config']> = {}, waitingMax?: number): Db {
  const db = connectDb({ ...context.config, ...fields }, 'general', undefined, waitingMax);
  opened.push(db);
  return db;
}

const verdicts = (error: unknown) => ({
  refusal: isRejectedByMysql(error),
  duplicate: isDuplicate(error),
  outage: isDbOutage(error),
});
const REFUSED = { refusal: true, duplicate: false, outage: false };
const OUTAGE = { refusal: false, duplicate: false, outage: true };

/** What a failing call fails with. */
async function failureOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

function newOrder(sale: Sale, fields: Partial<Order> = {}): Order {
  return {
    orderNo: newOrderNumber(sale, newBatchNo(Date.now())),
    productId: sale.id,
    userId: 'u1',
    status: 'pending_payment',
    priceCents: 1,
    quantity: 1,
    createdAtMs: Date.now(),
    version: 1,
    ...fields,
  };
}

const insert = (...orders: Order[]) => context.db.transaction().execute((tx) => insertOrders(tx, orders));

/** A transaction that holds the sale's row until the returned function is called. */
async function holdRow(db: Db, sale: Sale): Promise<{ release(): Promise<unknown>; connection_id: number; tx: Tx }> {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let done: Promise<unknown> = Promise.resolve();
  const held = await new Promise<{ connection_id: number; tx: Tx }>((resolve, reject) => {
    done = db.transaction().execute(async (tx) => {
      await tx.selectFrom('products').select('id').where('id', '=', sale.id).forUpdate().execute();
      const { rows } = await sql<{ id: number }>`SELECT CONNECTION_ID() AS id`.execute(tx);
      resolve({ connection_id: rows[0]!.id, tx });
      await released;
    });
    done.catch(reject);
  });
  return {
    ...held,
    async release() {
      release();
      return done;
    },
  };
}

describe('MySQL refuses for good, and no retry can help', () => {
  test('an existing order number', async () => {
    const order = newOrder(await context.insertSale());
    await insert(order);
    const error = await failureOf(insert({ ...order, userId: 'u2' }));
    expect(verdicts(error)).toEqual({ refusal: true, duplicate: true, outage: false });
  });

  test('a second live order of a shopper', async () => {
    const sale = await context.insertSale();
    await insert(newOrder(sale));
    const error = await failureOf(insert(newOrder(sale)));
    expect(verdicts(error)).toEqual({ refusal: true, duplicate: true, outage: false });
  });

  test.each<[string, Partial<Order>]>([
    ['a shopper’s id that is too long', { userId: 'u'.repeat(256) }],
    ['an order number that is too long', { orderNo: 'x'.repeat(64) }],
    ['a price below zero', { priceCents: -1 }],
    ['a price that is no number', { priceCents: 'much' as unknown as number }],
    ['text that the column’s character set does not have', { orderNo: 'ú' }],
    ['nothing where something must be', { userId: null as unknown as string }],
    ['a time that is none', { createdAtMs: -1e15 }],
  ])('%s', async (_, fields) => {
    const error = await failureOf(insert(newOrder(await context.insertSale(), fields)));
    expect(verdicts(error)).toEqual(REFUSED);
  });

  test('more sold than the sale has units: the ledger’s own check against an oversell', async () => {
    const sale = await context.insertSale({ seckillStock: 3 });
    const sell = (sold: number) => context.db.updateTable('products').set({ sold }).where('id', '=', sale.id).execute();
    await sell(3);
    expect(verdicts(await failureOf(sell(4)))).toEqual(REFUSED);
  });

  test('fewer sold than zero', async () => {
    const sale = await context.insertSale();
    const less = context.db
      .updateTable('products')
      .set({ sold: sql`sold - 1` })
      .where('id', '=', sale.id)
      .execute();
    expect(verdicts(await failureOf(less))).toEqual(REFUSED);
  });

  test('an error of a trigger', async () => {
    const signal = sql`SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'`.execute(context.db);
    expect(verdicts(await failureOf(signal))).toEqual(REFUSED);
  });
});

describe('worth a retry', () => {
  test('a deadlock', async () => {
    const [a, b] = [await context.insertSale(), await context.insertSale()];
    const db = openDb();
    const lock = (tx: Tx, sale: Sale) => tx.selectFrom('products').select('id').where('id', '=', sale.id).forUpdate();
    const [ofA, ofB] = [await holdRow(db, a), await holdRow(db, b)];
    const crossing = await Promise.allSettled([lock(ofA.tx, b).execute(), lock(ofB.tx, a).execute()]);
    const failed = crossing.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
    await Promise.allSettled([ofA.release(), ofB.release()]);
    expect(failed).toHaveLength(1);
    expect(failed[0]).toMatchObject({ errno: 1213 });
    expect(verdicts(failed[0])).toEqual(OUTAGE);
  });

  test('a lock that is not free in time', async () => {
    const sale = await context.insertSale();
    const held = await holdRow(openDb(), sale);
    const waiting = context.db.transaction().execute(async (tx) => {
      await sql`SET SESSION innodb_lock_wait_timeout = 1`.execute(tx);
      await tx.updateTable('products').set({ sold: 1 }).where('id', '=', sale.id).execute();
    });
    const error = await failureOf(waiting);
    await held.release();
    expect(error).toMatchObject({ errno: 1205 });
    expect(verdicts(error)).toEqual(OUTAGE);
  });

  test('a query with too many others waiting for a connection, which fails at once', async () => {
    const db = openDb({ DB_POOL_MAX: 1 }, 2);
    const held = await holdRow(db, await context.insertSale());
    const waiting = [pingDb(db), pingDb(db)];
    expect(verdicts(await failureOf(pingDb(db)))).toEqual(OUTAGE);
    await held.release();
    await Promise.all(waiting);
  });

  test('a connection that was killed while its query ran', async () => {
    const db = openDb({ DB_POOL_MAX: 1 });
    const { rows } = await sql<{ id: number }>`SELECT CONNECTION_ID() AS id`.execute(db);
    const id = rows[0]!.id;
    const sleeping = failureOf(sql`SELECT SLEEP(30)`.execute(db));
    await expect
      .poll(async () => {
        const found = await sql<{ n: number }>`
          SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE ID = ${id} AND INFO LIKE '%SLEEP%'`.execute(
          context.db,
        );
        return found.rows[0]!.n;
      })
      .toBe(1);
    await sql`KILL ${sql.lit(id)}`.execute(context.db);
    expect(verdicts(await sleeping)).toEqual(OUTAGE);
    // The pool goes on with a new connection.
    await pingDb(db);
  });

  test('a connection that was killed between two statements of a transaction, whose writes are gone', async () => {
    const sale = await context.insertSale();
    const held = await holdRow(openDb(), sale);
    await held.tx.updateTable('products').set({ sold: 1 }).where('id', '=', sale.id).execute();
    await sql`KILL ${sql.lit(held.connection_id)}`.execute(context.db);
    const error = await failureOf(held.tx.selectFrom('products').select('id').execute());
    await held.release().catch(() => undefined);
    expect(verdicts(error)).toEqual(OUTAGE);
    const row = await context.db.selectFrom('products').select('sold').where('id', '=', sale.id).executeTakeFirst();
    expect(row).toEqual({ sold: 0 });
  });

  test('a server that does not exist', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const error = await failureOf(pingDb(openDb({ DB_PORT: port, DB_HOST: '127.0.0.1' })));
    expect(verdicts(error)).toEqual(OUTAGE);
  });

  test('a server that closes the connection, and one that accepts it and never answers', async () => {
    const sockets: Socket[] = [];
    let rude = true;
    const server = createServer((socket) => (rude ? socket.destroy() : sockets.push(socket))).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const silent = { DB_PORT: port, DB_HOST: '127.0.0.1' };
      expect(verdicts(await failureOf(pingDb(openDb(silent))))).toEqual(OUTAGE);
      rude = false;
      expect(verdicts(await failureOf(pingDb(openDb(silent))))).toEqual(OUTAGE);
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });
});

describe('an error of the table', () => {
  test.each([...MYSQL_ERRORS].map(([errno, [kind, meaning]]) => [errno, kind, meaning] as const))(
    '%i never means refused data, and a client may repeat the call: %s (%s)',
    async (errno, kind) => {
      // Recognised by its number, with any SQLSTATE.
      const raised = sql`SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = ${sql.lit(errno)}`.execute(openDb());
      const error = await failureOf(raised);
      expect(error).toMatchObject({ errno });
      expect(verdicts(error)).toEqual(OUTAGE);
      expect(isRolledBack(error)).toBe(kind === 'rolled_back');
      expect(dbFault(error)?.startsWith('MySQL: ') ?? false).toBe(kind === 'operator' || kind === 'read_only');
    },
  );
});

describe('a server that turns out to be read-only', () => {
  test('is no longer used by any connection of the pool, so that the next ones find another', async () => {
    const db = openDb({ DB_POOL_MAX: 2 });
    const connections = async () => {
      const asked = sql<{ id: number }>`SELECT CONNECTION_ID() AS id, SLEEP(0.05)`;
      const answers = await Promise.all([asked.execute(db), asked.execute(db)]);
      return answers.map(({ rows }) => rows[0]!.id);
    };
    const before = await connections();
    expect(new Set(before).size).toBe(2);
    expect(await connections()).toEqual(expect.arrayContaining(before));
    const refused = db.transaction().execute((tx) => sql`SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1290`.execute(tx));
    expect(await failureOf(refused)).toMatchObject({ errno: 1290 });
    const after = await connections();
    expect(after.filter((id) => before.includes(id))).toEqual([]);
  });
});

describe('a fault of ours', () => {
  test('is neither rejected data nor an outage', async () => {
    const wrong = await failureOf(sql`SELEKT 1`.execute(context.db));
    const unknown = await failureOf(sql`SELECT * FROM nowhere`.execute(context.db));
    for (const error of [wrong, unknown, new Error('other'), new TypeError('x'), null, undefined, 'text', {}]) {
      expect(verdicts(error)).toEqual({ refusal: false, duplicate: false, outage: false });
    }
  });
});
