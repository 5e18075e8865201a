import { afterEach, expect, it, vi } from 'vitest';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { unitsOf } from '@flash-sale/shared/testing/buying.ts';
import { openTestApp } from '../../testing/support.ts';

const { context, app } = await openTestApp();
afterEach(() => vi.restoreAllMocks());

const SALES = 25;
const openSales = () => Promise.all(Array.from({ length: SALES }, () => context.openSale({ seckillStock: 2 })));
const tokensFor = (sales: readonly Sale[]) => Promise.all(sales.map((sale) => app.tokenOf(sale, 'alice')));
const buyAll = (sales: readonly Sale[], tokens: readonly string[]) =>
  Promise.all(sales.map((sale, i) => app.buy(sale, 'alice', tokens[i]!)));

it('buys of many sales go together in a few calls and jobs, and each sale sells its own units', async () => {
  const sales = await openSales();
  const tokens = await tokensFor(sales);
  const queue = app.deps.queue(0);
  await queue.obliterate({ force: true });
  const admit = vi.spyOn(app.deps.commands, 'admitTogether');

  const answers = await buyAll(sales, tokens);

  expect(answers.map(({ statusCode }) => statusCode)).toEqual(sales.map(() => 202));
  // One that went first, those that came meanwhile, and on a slow machine a few more.
  expect(admit.mock.calls.length).toBeLessThan(SALES / 2);
  const numbers = answers.map((answer) => answer.json<{ order_no: string }>().order_no);
  for (const [i, sale] of sales.entries()) {
    expect(await unitsOf(context, sale)).toEqual({ available: 1, total: 2, owners: { alice: numbers[i] } });
  }
  const namedSales = async () =>
    (await queue.getWaiting())
      .flatMap(({ data }) => data.batches.map(({ sale_id: id }) => id))
      .toSorted((a, b) => a - b);
  await expect.poll(namedSales).toEqual(sales.map(({ id }) => id).toSorted((a, b) => a - b));
  expect(await queue.getWaitingCount()).toBeLessThan(SALES / 2);
});

it('a sale whose keys were changed by hand is the only one that cannot be bought from: the others are decided without it', async () => {
  const sales = await openSales();
  const tokens = await tokensFor(sales);
  const broken = sales[12]!;
  const { owners } = context.keys.sale(broken);
  await context.redis.set(owners, 'no hash');

  const answers = await buyAll(sales, tokens);

  const [refused] = answers.splice(sales.indexOf(broken), 1);
  expect(refused).toBeProblem('unavailable');
  for (const [i, sale] of sales.filter((one) => one !== broken).entries()) {
    expect(answers[i]!.statusCode).toBe(202);
    const { order_no: orderNo } = answers[i]!.json<{ order_no: string }>();
    expect(await unitsOf(context, sale)).toEqual({ available: 1, total: 2, owners: { alice: orderNo } });
  }
  await context.redis.del(owners);
  expect((await app.buy(broken, 'alice', tokens[12]!)).statusCode).toBe(202);
});

it('polls and seckill tokens of many sales are answered in a few round trips, each with its own', async () => {
  const sales = await openSales();
  const tokens = await tokensFor(sales);
  expect(new Set(tokens).size).toBe(SALES);
  const numbers = (await buyAll(sales, tokens)).map((answer) => answer.json<{ order_no: string }>().order_no);
  await context.redis.set(context.keys.sale(sales[3]!).batches, 'no hash').catch(() => undefined);
  const polls = await Promise.all(numbers.map((orderNo) => app.get(`/api/v1/orders/${orderNo}?user_id=alice`)));
  expect(polls.map(({ statusCode }) => statusCode)).toEqual(sales.map((_, i) => (i === 3 ? 503 : 200)));
  const queued = sales.map(({ id }, i) => ({ order_no: numbers[i], product_id: id, status: 'queued' }));
  expect(polls.map((poll) => poll.json<object>()).toSpliced(3, 1)).toMatchObject(queued.toSpliced(3, 1));
});
