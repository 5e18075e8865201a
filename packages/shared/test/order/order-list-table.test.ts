import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listOrders, orderNumbersQuery, type OrderFilter } from '../../src/order/order-list-table.ts';
import { newBatchNo, newOrderNumber } from '../../src/order/order-number.ts';
import type { Order } from '../../src/order/order.ts';
import { insertOrders } from '../../src/order/orders-table.ts';
import type { Sale } from '../../src/sale/sale.ts';
import { planOf } from '../../testing/query-plan.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';

let context: TestContext;
let sales: Sale[];
const PER_SALE = 3_000;
const RARE = 7;

beforeAll(async () => {
  context = await openTestContext();
  sales = await Promise.all([context.insertSale(), context.insertSale()]);
  let madeMs = 1_800_000_000_000;
  const orders = Array.from({ length: 2 * PER_SALE }, (_, i): Order => {
    madeMs += 1;
    const sale = sales[i % 2]!;
    return {
      orderNo: newOrderNumber(sale, newBatchNo(madeMs)),
      productId: sale.id,
      userId: `user-${i % 50}`,
      // The rare ones are the oldest.
      status: i < RARE ? 'refunded' : i % 3 === 0 ? 'expired' : 'cancelled',
      priceCents: 1,
      quantity: 1,
      createdAtMs: madeMs,
      version: 1,
    };
  });
  for (let from = 0; from < orders.length; from += 1_000) {
    const some = orders.slice(from, from + 1_000);
    await context.db.transaction().execute((tx) => insertOrders(tx, some));
  }
  await sql`ANALYZE TABLE orders`.execute(context.db);
});
afterAll(() => context.close());

/** All pages of a filter. */
async function all(filter: OrderFilter, limit: number, scannedMax?: number): Promise<Order[]> {
  const found: Order[] = [];
  let before: string | undefined;
  let pages = 0;
  do {
    const page = await listOrders(context.db, filter, {
      limit,
      before,
      ...(scannedMax === undefined ? {} : { scannedMax }),
    });
    found.push(...page.orders);
    before = page.before;
    pages += 1;
  } while (before !== undefined && pages < 1_000);
  return found;
}

describe('the list of orders', () => {
  test.each<[string, () => OrderFilter, number]>([
    ['of a sale', () => ({ productId: sales[0]!.id }), PER_SALE],
    ['of a sale in a status', () => ({ productId: sales[0]!.id, status: 'refunded' }), 4],
    ['of a shopper', () => ({ userId: 'user-3' }), (2 * PER_SALE) / 50],
    ['in a status', () => ({ status: 'refunded' }), RARE],
    ['of all sales', () => ({}), 2 * PER_SALE],
  ])('%s has every order once, newest first, page by page', async (_, filter, count) => {
    const found = await all(filter(), 700, 900);
    expect(found).toHaveLength(count);
    const numbers = found.map(({ orderNo }) => orderNo);
    expect(numbers).toEqual([...new Set(numbers)].toSorted().toReversed());
  });

  test('of a status among all sales reads a limited number of rows for a page', async () => {
    const first = await listOrders(context.db, { status: 'refunded' }, { limit: 20, scannedMax: 500 });
    expect(first.orders).toEqual([]);
    expect(first.before).toBeDefined();
    expect(await all({ status: 'refunded' }, 20, 500)).toHaveLength(RARE);
  });

  test.each<[string, () => OrderFilter, string]>([
    ['a sale in a status', () => ({ productId: sales[0]!.id, status: 'expired' }), 'by_product'],
    ['a shopper', () => ({ userId: 'user-3' }), 'by_user'],
    ['all sales', () => ({}), 'PRIMARY'],
  ])('of %s is read in its order, without sorting', async (_, filter, key) => {
    for (const before of [undefined, newOrderNumber(sales[0]!, newBatchNo(1_800_000_002_000))]) {
      const query = orderNumbersQuery(filter(), { limit: 20, before, scannedMax: 10_000 });
      const plan = await planOf(context.db, { compile: () => query.compile(context.db) });
      expect(plan).toMatchObject([{ key, sorts: false }]);
    }
  });

  test('of a sale reads each status by the index, and sorts only what the pages of the statuses have', async () => {
    const query = orderNumbersQuery({ productId: sales[0]!.id }, { limit: 20, scannedMax: 10_000 });
    const plan = await planOf(context.db, { compile: () => query.compile(context.db) });
    const parts = plan.filter(({ key }) => key !== null);
    expect(parts).toHaveLength(6);
    for (const part of parts) expect(part).toMatchObject({ key: 'by_product', sorts: false });
  });
});
