import { once } from 'node:events';
import { get as httpGet, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { placeOrders } from '@flash-sale/shared/testing/ordering.ts';
import { heartbeat } from '@flash-sale/shared/platform/process/heartbeat.ts';
import type { AppBounds } from '../../src/deps.ts';
import type { ReadingChange, SaleReading } from '../../src/live/reading-schema.ts';
import {
  AS_OPERATOR,
  AS_VIEWER,
  openApp,
  openTestContext,
  testContext,
  type TestApp,
  type TestContext,
  VIEWER_TOKEN,
} from '../../testing/support.ts';
import { openOwnMysql, openOwnRedis } from '../../testing/own-servers.ts';

const context = await testContext({ VIEWER_TOKEN });

/** An app that listens, closed after the test. */
async function listening(own: TestContext = context, bounds: AppBounds = {}): Promise<TestApp> {
  const app = await openApp(own, {}, { bounds });
  await app.server.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => app.close());
  return app;
}

async function connect(app: TestApp, headers: Record<string, string> = AS_VIEWER): Promise<IncomingMessage> {
  const { port } = app.server.server.address() as AddressInfo;
  const request = httpGet(`http://127.0.0.1:${port}/api/v1/admin/live`, { headers, agent: false });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  return answer.setEncoding('utf8');
}

/** A console: its answer, its events, and the sales as it knows them. */
async function openConsole(app: TestApp) {
  const answer = await connect(app);
  const events: ReadingChange[] = [];
  const sales = new Map<number, SaleReading>();
  let rest = '';
  answer.on('data', (text: string) => {
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop()!;
    for (const block of blocks) {
      const data = /^event: figures\ndata: (.*)$/.exec(block)?.[1];
      if (data === undefined) continue;
      const event = JSON.parse(data) as ReadingChange;
      events.push(event);
      for (const sale of event.sales) sales.set(sale.id, { ...sales.get(sale.id), ...sale } as SaleReading);
      for (const id of event.gone) sales.delete(id);
    }
  });
  answer.on('error', () => undefined);
  return { answer, events, sales };
}

describe('GET /api/v1/admin/live', () => {
  it('shows the work of every process: buys, orders written and paid, units, backlog and the gap', async () => {
    const [app, other] = [await listening(), await listening()];
    const sale = await context.openSale({ seckillStock: 3, name: 'shown live' });
    const { sales } = await openConsole(app);
    await expect.poll(() => sales.get(sale.id), SOON).toMatchObject({ name: 'shown live', available: 3, accepted: 0 });

    await placeOrders(context, sale, ['written']);
    await other.win(sale, 'queued');
    const token = await other.tokenOf(sale, 'paused');
    await app.post(`/api/v1/admin/products/${sale.id}/pause`, undefined, AS_OPERATOR);
    expect((await other.buy(sale, 'paused', token)).statusCode).toBe(409);

    await expect
      .poll(() => sales.get(sale.id), SOON)
      .toMatchObject({
        status: 'paused',
        units: 3,
        available: 1,
        held: 2,
        gap: 0,
        backlog: 1,
        accepted: 1,
        refused: { paused: 1 },
        written: 1,
        paid: 0,
      });
    expect(sales.get(sale.id)!.oldest_ms).toBeGreaterThan(0);
  });

  it('shows a gap', async () => {
    const app = await listening();
    const sale = await context.openSale({ seckillStock: 3 });
    const { sales } = await openConsole(app);
    await context.redis.hincrby(context.keys.sale(sale).state, 'available', 1);
    await expect.poll(() => sales.get(sale.id), SOON).toMatchObject({ gap: 1 });
  });

  it('begins with everything, and goes on with what has changed', async () => {
    const app = await listening();
    const [quiet, busy] = [await context.openSale(), await context.openSale()];
    const { events } = await openConsole(app);
    await expect.poll(() => events.length, SOON).toBeGreaterThan(0);
    expect(events[0]!.sales.map(({ id }) => id)).toEqual(expect.arrayContaining([quiet.id, busy.id]));
    await app.win(busy, 'buyer');
    await expect
      .poll(() => events.slice(1).flatMap(({ sales }) => sales), SOON)
      .toContainEqual(expect.objectContaining({ id: busy.id, available: 9 }));
    const later = events.slice(1).flatMap(({ sales }) => sales);
    expect(later.filter(({ id }) => id === quiet.id)).toEqual([]);
    for (const sale of later) expect(sale).not.toHaveProperty('name');
  });

  it('reads once for any number of consoles, and not at all without one', async () => {
    const app = await listening();
    const sale = await context.openSale();
    const { commands } = app.deps;
    let readings = 0;
    const processes = commands.processes.bind(commands);
    Object.assign(commands, {
      processes() {
        readings += 1;
        return processes();
      },
    });
    const consoles = await Promise.all(Array.from({ length: 20 }, () => openConsole(app)));
    await expect.poll(() => consoles.every(({ events }) => events.length >= 3), SOON).toBe(true);
    // The first reading may have begun before the last console came.
    expect(readings).toBeLessThanOrEqual(Math.max(...consoles.map(({ events }) => events.length)) + 2);
    expect(consoles.every(({ sales }) => sales.has(sale.id))).toBe(true);
    for (const { answer } of consoles) answer.destroy();
    const { events } = await openConsole(await listening());
    const readingsOfOther = async (count: number): Promise<void> => {
      const upTo = events.length + count;
      await expect.poll(() => events.length, SOON).toBeGreaterThanOrEqual(upTo);
    };
    // The closes arrive and a reading that is under way ends.
    await readingsOfOther(2);
    const before = readings;
    expect(before).toBeGreaterThan(0);
    await readingsOfOther(4);
    expect(readings).toBe(before);
  });

  it('lists the running processes', async () => {
    const app = await listening();
    const worker = heartbeat(context.commands, 'worker', context.log);
    worker.start();
    const { events } = await openConsole(app);
    const kinds = () => events.at(-1)?.processes?.map(({ kind, pid }) => `${kind} ${pid}`);
    await expect.poll(kinds, SOON).toEqual([`worker ${process.pid}`]);
    await worker.stop();
    await expect.poll(kinds, SOON).toEqual([]);
  });

  it('is for operators and viewers only, and bounded', async () => {
    const app = await listening(context, { liveStreamsMax: 1 });
    expect(await app.get('/api/v1/admin/live')).toBeProblem('unauthenticated');
    const first = await connect(app);
    expect(first.statusCode).toBe(200);
    expect(first.headers).toMatchObject({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    expect(await app.get('/api/v1/admin/live', AS_VIEWER)).toBeProblem('overloaded');
    first.on('error', () => undefined).destroy();
    await expect.poll(async () => (await connect(app)).statusCode, SOON).toBe(200);
    // A HEAD would open a stream that is never read.
    const head = await app.server.inject({ method: 'HEAD', url: '/api/v1/admin/live', headers: AS_VIEWER });
    expect(head.statusCode).toBe(405);
  });

  it('ends when the process stops', async () => {
    const app = await listening();
    const { answer, events } = await openConsole(app);
    await expect.poll(() => events.length, SOON).toBeGreaterThan(0);
    const ended = once(answer, 'end');
    app.drain();
    await ended;
    expect((await connect(app)).statusCode).toBe(503);
  });

  it('goes on while a server hangs, without its figures', async () => {
    const [mysql, redis] = await Promise.all([openOwnMysql(), openOwnRedis()]);
    onTestFinished(async () => {
      await Promise.all([mysql.close(), redis.close()]);
    });
    const own = await openTestContext({ ...mysql.env, ...redis.env, VIEWER_TOKEN });
    const sale = await own.openSale();
    const app = await openApp(own);
    await app.server.listen({ host: '127.0.0.1', port: 0 });
    const { sales, events } = await openConsole(app);
    await expect.poll(() => sales.get(sale.id), SOON).toMatchObject({ available: 10, written: 0 });

    mysql.freeze();
    await expect.poll(() => sales.get(sale.id), SOON).toMatchObject({ available: 10, written: null });
    expect(events.at(-1)).toMatchObject({ mysql: false, redis: true });
    mysql.thaw();
    redis.freeze();
    await expect.poll(() => sales.get(sale.id), SOON).toMatchObject({ available: null, written: 0 });
    expect(events.at(-1)).toMatchObject({ mysql: true, redis: false });
    redis.thaw();
    await expect.poll(() => sales.get(sale.id), SOON).toMatchObject({ available: 10, written: 0 });
    await app.close();
    await own.close();
  });
});
