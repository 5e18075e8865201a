import { expect, onTestFinished, test } from 'vitest';
import { createMetrics } from '@flash-sale/shared/telemetry/metrics.ts';
import { openTestContext } from '../../../shared/test/support.ts';
import { auditor } from '../../src/services/auditor.ts';
import { SaleList } from '../../src/services/sale-list.ts';

const GOING_ON = new AbortController().signal;

// A context for each test: a round audits every sale there is.
async function openAuditor(sales_shown_max = 50) {
  const context = await openTestContext();
  onTestFinished(() => context.close());
  const { commands, redis, keys, db, log } = context;
  const metrics = createMetrics('worker');
  const sales = { current: () => new SaleList(db, log).current() };
  const rounds = auditor({ commands, redis, keys, db, log, metrics, sales, interval_ms: 1, sales_shown_max });
  const gaps = async () =>
    Object.fromEntries(
      (await metrics.conservation_gap.get()).values.map(({ labels, value }) => [Number(labels.sale), value]),
    );
  return { context, metrics, gaps, round: () => rounds.round(GOING_ON), rest: () => rounds.rest!() };
}

test('a gap is shown until the next audit, when it is mended, and counts as a drift for good', async () => {
  const { context, metrics, gaps, round } = await openAuditor();
  const sale = await context.openSale();
  await round();
  expect(await gaps()).toEqual({ [sale.id]: 0 });

  await context.redis.hincrby(context.keys.sale(sale).state, 'available', 2);
  await round();
  expect(await gaps()).toEqual({ [sale.id]: 2 });

  await round();
  expect(await gaps()).toEqual({ [sale.id]: 0 });
  expect((await metrics.drifts.get()).values[0]!.value).toBe(1);
  expect((await context.commands.readSale(sale)).available).toBe(10);
});

test('a sale that is cleaned up takes its gap with it', async () => {
  const { context, gaps, round } = await openAuditor();
  const [gone, stays] = [await context.openSale(), await context.openSale()];
  await round();
  await context.db.updateTable('products').set({ cleaned_at: new Date() }).where('id', '=', gone.id).execute();
  await round();
  expect(await gaps()).toEqual({ [stays.id]: 0 });
});

test('however many sales are shown, one with a gap is', async () => {
  const { context, gaps, round } = await openAuditor(1);
  const [first, , drifts] = [await context.openSale(), await context.openSale(), await context.openSale()];
  await context.redis.hincrby(context.keys.sale(drifts).state, 'available', 1);
  await round();
  expect(await gaps()).toEqual({ [first.id]: 0, [drifts.id]: 1 });
});

test('a worker that does not lead any more shows no gap', async () => {
  const { context, gaps, round, rest } = await openAuditor();
  await context.openSale();
  await round();
  rest();
  expect(await gaps()).toEqual({});
});
