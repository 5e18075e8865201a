import { once } from 'node:events';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { newBatchNo, newOrderNumber } from '@flash-sale/shared/order/order-number.ts';
import { listActions } from '../../src/operator/operator-actions-table.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { insertOrders } from '@flash-sale/shared/order/orders-table.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { AS_OPERATOR, AS_VIEWER, openApp, openTestApp, VIEWER_TOKEN } from '../../testing/support.ts';

const { context, app } = await openTestApp({ VIEWER_TOKEN });

let madeMs = 1_800_000_000_000;
/** Orders in the ledger, each newer than every other; oldest first. */
async function written(sale: Sale, ...all: Partial<Order>[]): Promise<string[]> {
  const orders = all.map((fields, i): Order => {
    madeMs += 1;
    return {
      orderNo: newOrderNumber(sale, newBatchNo(madeMs)),
      productId: sale.id,
      userId: `u${i}`,
      status: 'pending_payment',
      priceCents: 1_990,
      quantity: 1,
      createdAtMs: madeMs,
      version: 1,
      ...fields,
    };
  });
  await context.db.transaction().execute((tx) => insertOrders(tx, orders));
  return orders.map(({ orderNo }) => orderNo);
}

interface Page {
  readonly items: readonly { readonly order_no: string; readonly status: string }[];
  readonly next_cursor: string | null;
}

/** The order numbers of every page. */
async function everyPage(query: string, limit = 2): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | null = null;
  do {
    const from: string = cursor === null ? '' : `&cursor=${cursor}`;
    const answer = await app.get(`/api/v1/admin/orders?${query}&limit=${limit}${from}`, AS_VIEWER);
    expect(answer.statusCode).toBe(200);
    const page = answer.json<Page>();
    found.push(...page.items.map(({ order_no: orderNo }) => orderNo));
    cursor = page.next_cursor;
  } while (cursor !== null);
  return found;
}

describe('GET /api/v1/admin/orders', () => {
  it('lists by sale, by status and by shopper, newest first, page by page', async () => {
    const [sale, other] = [await context.openSale(), await context.openSale()];
    const [a, b, c, d, e] = await written(
      sale,
      { status: 'paid' },
      {},
      { status: 'failed', reason: 'no_unit' },
      { status: 'paid' },
      { userId: 'regular' },
    );
    const [f] = await written(other, { userId: 'regular', status: 'refunded' });

    expect(await everyPage(`product_id=${sale.id}`)).toEqual([e, d, c, b, a]);
    expect(await everyPage(`product_id=${sale.id}&status=paid`)).toEqual([d, a]);
    expect(await everyPage('user_id=regular')).toEqual([f, e]);
    expect(await everyPage(`user_id=regular&product_id=${sale.id}`)).toEqual([e]);
    expect(await everyPage('user_id=regular&status=refunded')).toEqual([f]);
    expect(await everyPage('status=refunded')).toEqual([f]);
    expect((await everyPage('status=paid', 100)).slice(0, 2)).toEqual([d, a]);
    expect((await everyPage('', 100)).slice(0, 6)).toEqual([f, e, d, c, b, a]);
  });

  it('finds an order by its number, also one that is still queued', async () => {
    const sale = await context.openSale();
    const queued = await app.win(sale, 'queued-one');
    const [row] = await written(sale, {});
    const found = async (query: string) =>
      (await app.get(`/api/v1/admin/orders?${query}`, AS_VIEWER)).json<Page>().items;
    expect(await found(`order_no=${queued}`)).toMatchObject([{ order_no: queued, status: 'queued' }]);
    expect(await found(`order_no=${row}`)).toMatchObject([{ order_no: row, status: 'pending_payment' }]);
    expect(await found(`order_no=${row}&status=paid`)).toEqual([]);
    expect(await found('order_no=none')).toEqual([]);
  });

  it('refuses a cursor or a status that does not exist, and a caller who is not an operator', async () => {
    expect(await app.get('/api/v1/admin/orders?cursor=x', AS_VIEWER)).toBeProblem('invalid_request');
    expect(await app.get('/api/v1/admin/orders?status=queued', AS_VIEWER)).toBeProblem('invalid_request');
    expect(await app.get('/api/v1/admin/orders')).toBeProblem('unauthenticated');
    expect(await app.get('/api/v1/admin/orders.csv')).toBeProblem('unauthenticated');
  });
});

describe('GET /api/v1/admin/orders.csv', () => {
  it('sends all orders of the filter, safe for a spreadsheet', async () => {
    const sale = await context.openSale();
    const [first, second] = await written(
      sale,
      { userId: '=cmd|x', expiresAtMs: 1_800_000_900_000 },
      { userId: 'plain', status: 'failed', reason: 'no_unit', closedAtMs: 1_800_000_000_500 },
    );
    const answer = await app.get(`/api/v1/admin/orders.csv?product_id=${sale.id}`, AS_VIEWER);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="orders-${sale.id}.csv"`,
    });
    const [header, newest, oldest, end] = answer.body.split('\r\n');
    expect(header).toBe(
      'order_no,product_id,user_id,status,price,quantity,total,currency,created_at,expires_at,paid_at,closed_at,reason',
    );
    expect(newest).toContain(`${second},${sale.id},plain,failed,19.90,1,19.90,CNY,`);
    expect(newest).toContain(',2027-01-15T08:00:00.500Z,no_unit');
    expect(oldest).toContain(`${first},${sale.id},'=cmd|x,pending_payment,19.90,1,19.90,CNY,`);
    expect(end).toBe('');
  });

  it('is recorded with who asked and for what, and only if it is not refused', async () => {
    const sale = await context.openSale();
    const newest = async () => (await listActions(context.db, { limit: 1 }))[0];
    const named = { ...AS_VIEWER, 'operator-name': 'Ann' };
    const by = { operator: 'Ann', role: 'viewer', action: 'export' };

    await app.get(`/api/v1/admin/orders.csv?product_id=${sale.id}&status=paid`, named);
    const ofSale = {
      ...by,
      subject: `product ${sale.id}`,
      detail: { format: 'csv', product_id: sale.id, status: 'paid' },
    };
    expect(await newest()).toMatchObject(ofSale);

    await app.post('/api/v1/admin/downloads?user_id=alice', undefined, named);
    // Only the subject has the user id, since erasing the shopper changes only the subject.
    const ofShopper = { ...by, subject: 'shopper alice', detail: { format: 'csv' } };
    expect(await newest()).toMatchObject(ofShopper);

    expect(await app.get('/api/v1/admin/orders.csv', {})).toBeProblem('unauthenticated');
    expect(await app.post('/api/v1/admin/downloads?status=unknown', undefined, named)).toBeProblem('invalid_request');
    expect(await newest()).toMatchObject(ofShopper);
    await app.get('/api/v1/admin/orders.csv', named);
    expect(await newest()).toMatchObject({ ...by, subject: 'orders', detail: { format: 'csv' } });
  });

  it('reads no faster than its client, and at most two exports run at once', async () => {
    const sale = await context.openSale();
    const many = Array.from({ length: 20_000 }, (_, i) => ({ userId: `many-${i}`, status: 'failed' as const }));
    for (let from = 0; from < many.length; from += 5_000) await written(sale, ...many.slice(from, from + 5_000));
    const replica = await openApp(context);
    await replica.server.listen({ host: '127.0.0.1', port: 0 });
    const { port } = replica.server.server.address() as AddressInfo;
    const open = async (): Promise<IncomingMessage> => {
      const url = `http://127.0.0.1:${port}/api/v1/admin/orders.csv?product_id=${sale.id}`;
      const [answer] = (await once(httpGet(url, { headers: AS_VIEWER }), 'response')) as [IncomingMessage];
      return answer;
    };
    // All at once. Nobody reads those that begin, so they wait.
    const answers = await Promise.all(Array.from({ length: 5 }, open));
    const [refused, begun] = [503, 200].map((code) => answers.filter(({ statusCode }) => statusCode === code));
    expect([refused!.length, begun!.length]).toEqual([3, 2]);
    for (const answer of refused!) answer.resume();
    const [one, two] = begun as [IncomingMessage, IncomingMessage];

    let lines = 0;
    for await (const chunk of one.setEncoding('utf8')) lines += (chunk as string).split('\r\n').length - 1;
    expect(lines).toBe(many.length + 1);
    // A client that goes makes room.
    two.destroy();
    await expect
      .poll(async () => {
        const next = await open();
        next.destroy();
        return next.statusCode;
      }, SOON)
      .toBe(200);
    await replica.close();
  });

  it('cuts off a client that stops reading, so that it keeps no place', async () => {
    const sale = await context.openSale();
    const many = Array.from({ length: 20_000 }, (_, i) => ({ userId: `left-${i}`, status: 'failed' as const }));
    for (let from = 0; from < many.length; from += 5_000) await written(sale, ...many.slice(from, from + 5_000));
    const replica = await openApp(context, {}, { bounds: { idleTimeoutMs: 300 } });
    await replica.server.listen({ host: '127.0.0.1', port: 0 });
    const { port } = replica.server.server.address() as AddressInfo;
    const open = async (): Promise<IncomingMessage> => {
      const url = `http://127.0.0.1:${port}/api/v1/admin/orders.csv?product_id=${sale.id}`;
      const request = httpGet(url, { headers: AS_VIEWER, agent: false });
      const [answer] = (await once(request, 'response')) as [IncomingMessage];
      return answer.on('error', () => undefined);
    };
    const asleep = [await open(), await open()];
    expect((await open()).statusCode).toBe(503);
    const statuses = async () => {
      const next = await open();
      next.destroy();
      return next.statusCode;
    };
    await expect.poll(statuses, SOON).toBe(200);
    for (const answer of asleep) answer.destroy();
    await replica.close();
  });

  it('keeps no place for a client that hangs up before it begins', async () => {
    const replica = await openApp(context);
    await replica.server.listen({ host: '127.0.0.1', port: 0 });
    const { port } = replica.server.server.address() as AddressInfo;
    const { authorization } = AS_OPERATOR;
    for (let i = 0; i < 10; i += 1) {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      const head = `GET /api/v1/admin/orders.csv HTTP/1.1\r\nhost: a\r\nauthorization: ${authorization}\r\n\r\n`;
      socket.write(head, () => socket.destroy());
      await once(socket, 'close');
    }
    const status = async () => (await replica.get('/api/v1/admin/orders.csv?status=refunded', AS_OPERATOR)).statusCode;
    await expect.poll(status, SOON).toBe(200);
    expect(await Promise.all([status(), status()])).toEqual([200, 200]);
    await replica.close();
  });

  it('is cut when the process stops, so that nobody takes a part for the whole', async () => {
    const replica = await openApp(context);
    await replica.server.listen({ host: '127.0.0.1', port: 0 });
    const { port } = replica.server.server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/api/v1/admin/orders.csv`;
    const [answer] = (await once(httpGet(url, { headers: AS_OPERATOR }), 'response')) as [IncomingMessage];
    replica.drain();
    const failed = once(answer, 'error');
    answer.resume();
    expect(((await failed)[0] as NodeJS.ErrnoException).code).toBe('ECONNRESET');
    await replica.close();
  });
});

describe('a download by a browser', () => {
  const openDownload = async (query: string): Promise<string> => {
    const answer = await app.post(`/api/v1/admin/downloads?${query}`, undefined, AS_VIEWER);
    expect(answer.statusCode).toBe(201);
    return answer.json<{ id: string }>().id;
  };

  it('needs no credential but its id, which any process accepts once', async () => {
    const [sale, other] = [await context.openSale(), await context.openSale()];
    const [paid] = await written(sale, { status: 'paid', userId: 'payer', quantity: 3 }, { userId: 'waiter' });
    await written(other, { status: 'paid' });
    const address = `/api/v1/admin/downloads/${await openDownload(`product_id=${sale.id}&status=paid`)}`;
    const replica = await openApp(context);
    const answer = await replica.get(address);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="orders-${sale.id}.csv"`,
      'cache-control': 'no-store',
    });
    const [, row, end] = answer.body.split('\r\n');
    expect(row).toContain(`${paid},${sale.id},payer,paid,19.90,3,59.70,CNY,`);
    expect(end).toBe('');
    for (const process of [app, replica]) expect(await process.get(address)).toBeProblem('not_found');
    await replica.close();
  });

  it('lives a minute, and only operators get one', async () => {
    const id = await openDownload('status=paid');
    const livesMs = await context.redis.pttl(context.keys.download(id));
    expect(livesMs).toBeGreaterThan(0);
    expect(livesMs).toBeLessThanOrEqual(60_000);
    expect(await app.post('/api/v1/admin/downloads')).toBeProblem('unauthenticated');
    const foreign = { ...AS_VIEWER, 'sec-fetch-site': 'cross-site' };
    expect(await app.post('/api/v1/admin/downloads', undefined, foreign)).toBeProblem('forbidden');
    expect(await app.get(`/api/v1/admin/downloads/${'x'.repeat(32)}`)).toBeProblem('not_found');
    expect(await app.get('/api/v1/admin/downloads/x')).toBeProblem('invalid_request');
  });
});
