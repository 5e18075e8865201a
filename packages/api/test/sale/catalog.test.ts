import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { connectDb } from '@flash-sale/shared/platform/mysql/client.ts';
import type { SaleWithTexts } from '@flash-sale/shared/sale/sale.ts';
import { Catalog, PRODUCT_CACHE_MS } from '../../src/sale/catalog.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

/** A MySQL that hangs up on everybody, and counts them. */
async function openBrokenMysql() {
  let calls = 0;
  const server = createServer((socket) => {
    calls += 1;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const db = connectDb({ ...context.config, DB_HOST: '127.0.0.1', DB_PORT: port }, 'general');
  onTestFinished(async () => {
    await db.destroy();
    server.close();
  });
  return { db, calls: () => calls };
}

describe('a MySQL that fails is not asked again by every call', () => {
  it.each<[string, (catalog: Catalog, i: number) => Promise<unknown>]>([
    ['one sale', (catalog) => catalog.sale(1)],
    ['a sale each', (catalog, i) => catalog.sale(i)],
    ['the list', (catalog) => catalog.list({ limit: 10 })],
    ['pages of the list', (catalog, i) => catalog.list({ limit: 10, beforeId: i })],
  ])('for %s', async (_what, ask) => {
    const { db, calls } = await openBrokenMysql();
    const catalog = new Catalog(db, 200);
    const beganMs = performance.now();
    for (let i = 1; i <= 200; i += 1) await expect(ask(catalog, i)).rejects.toBeInstanceOf(Error);
    const windows = Math.ceil((performance.now() - beganMs) / 250);
    expect(calls()).toBeLessThanOrEqual(windows);
    expect(calls()).toBeGreaterThan(0);
  });
});

/** A database that counts its queries. */
function countedDb() {
  let queries = 0;
  const db = context.db.withPlugin({
    transformQuery({ node }) {
      queries += 1;
      return node;
    },
    transformResult: async ({ result }) => result,
  });
  return { db, queries: () => queries };
}

it('an id that no sale has is looked up once, however many ask for it, until a sale has it', async () => {
  const { db, queries } = countedDb();
  const catalog = new Catalog(db, 200);
  for (let i = 0; i < 20; i += 1) expect(await catalog.sale(900_000)).toBeUndefined();
  expect(queries()).toBe(1);
  const sale = { ...(await context.insertSale()), id: 900_000 };
  catalog.changed(sale);
  expect(await catalog.sale(900_000)).toEqual(sale);
});

it('a sale that another process creates is known as soon as lists have it, also if it was asked for before', async () => {
  const catalog = new Catalog(context.db);
  const nextId = (await context.insertSale()).id + 1;
  expect(await catalog.sale(nextId)).toBeUndefined();
  expect((await context.insertSale()).id).toBe(nextId);
  await delay(PRODUCT_CACHE_MS + 20);
  expect(await catalog.sale(nextId)).toMatchObject({ id: nextId });
});

it('known sales are read again together: with a query each, a thousand of them cost more than the buys', async () => {
  const sales: SaleWithTexts[] = [];
  for (let i = 0; i < 20; i += 1) sales.push(await context.insertSale());
  const { db, queries } = countedDb();
  const catalog = new Catalog(db, 200);
  for (const sale of sales) await catalog.sale(sale.id);
  const before = queries();
  for (const { id } of sales) await context.db.updateTable('products').set({ stock: 7 }).where('id', '=', id).execute();
  await vi.waitFor(
    async () => {
      const stocks = await Promise.all(sales.map(async ({ id }) => (await catalog.sale(id))?.stock));
      expect(new Set(stocks)).toEqual(new Set([7]));
    },
    { timeout: 10_000, interval: 20 },
  );
  // Readings became old within the time that their first queries took, so one or two take all.
  expect(queries() - before).toBeLessThan(sales.length / 2);
});

it('a known sale is answered while MySQL fails', async () => {
  const sale = await context.insertSale();
  const { db } = await openBrokenMysql();
  const catalog = new Catalog(db, 200);
  catalog.changed(sale);
  for (let i = 0; i < 20; i += 1) expect(await catalog.saleSince(sale, sale.version + 1)).toEqual(sale);
});

/** A database whose answers to the first `heldMax` queries wait for `release`. */
function openSlowDb(heldMax: number) {
  const released = Promise.withResolvers<void>();
  let queries = 0;
  const db = context.db.withPlugin({
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      queries += 1;
      if (queries <= heldMax) await released.promise;
      return result;
    },
  });
  return { db, release: () => released.resolve() };
}

describe('a read that a change has overtaken is answered: it once was an internal error', () => {
  it.each<[string, (catalog: Catalog, sale: SaleWithTexts) => unknown]>([
    ['by a list', (catalog) => catalog.list({ limit: 10 })],
    ['by a change', (catalog, sale) => catalog.changed(sale)],
  ])('of a sale, %s', async (_by, overtake) => {
    const sale = await context.insertSale();
    const { db, release } = openSlowDb(1);
    const catalog = new Catalog(db, 200);
    const reading = catalog.sale(sale.id);
    await overtake(catalog, sale);
    release();
    expect(await reading).toMatchObject({ id: sale.id });
    expect(await catalog.sale(sale.id)).toMatchObject({ id: sale.id });
  });

  it('of the list, by a change, and is not kept', async () => {
    const { db, release } = openSlowDb(1);
    const catalog = new Catalog(db, 60_000);
    const reading = catalog.list({ limit: 10 });
    const sale = await context.insertSale();
    catalog.changed(sale);
    release();
    expect(await reading).toBeInstanceOf(Array);
    expect(await catalog.list({ limit: 10 })).toContainEqual(expect.objectContaining({ id: sale.id }));
  });
});
