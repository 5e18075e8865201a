import { sql } from 'kysely';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openTestContext } from '@flash-sale/shared/testing/support.ts';
import { auditor } from '../../src/services/auditor.ts';
import { SaleList } from '@flash-sale/shared/sale/sale-list.ts';

const GOING_ON = new AbortController().signal;

// A context for each test: a round audits every sale there is.
async function openAuditor(salesShownMax?: number) {
  const context = await openTestContext();
  onTestFinished(() => context.close());
  const { commands, redis, keys, db, log } = context;
  const metrics = createMetrics('worker');
  const sales = { current: () => new SaleList(db, log).current() };
  const rounds = auditor({
    shard: 0,
    commands,
    redis,
    keys,
    db,
    log,
    metrics,
    sales,
    ...(salesShownMax && { salesShownMax }),
  });
  const gaps = async () =>
    Object.fromEntries(
      (await metrics.conservationGap.get()).values.map(({ labels, value }) => [Number(labels.sale), value]),
    );
  const unrepaired = async () => (await metrics.unrepairedDrift.get()).values.map(({ labels }) => Number(labels.sale));
  return { context, metrics, gaps, unrepaired, round: () => rounds.round(GOING_ON), rest: () => rounds.rest!() };
}

test('a repaired drift stays counted, and its gap is not shown', async () => {
  const { context, metrics, gaps, unrepaired, round } = await openAuditor();
  const sale = await context.openSale();
  await round();
  expect(await gaps()).toEqual({ [sale.id]: 0 });

  await context.redis.hincrby(context.keys.sale(sale).state, 'available', 2);
  const shown: unknown[] = [];
  const set = metrics.conservationGap.set.bind(metrics.conservationGap);
  vi.spyOn(metrics.conservationGap, 'set').mockImplementation((labels: unknown, value?: number) => {
    shown.push(value);
    set(labels as { sale: number }, value!);
  });
  await round();

  expect(shown).toEqual([0]);
  expect(await unrepaired()).toEqual([]);
  expect((await metrics.drifts.get()).values[0]!.value).toBe(1);
  expect((await context.commands.readSale(sale)).available).toBe(10);
});

test('a drift that cannot be repaired is shown with its gap until it can', async () => {
  const { context, gaps, unrepaired, round } = await openAuditor();
  const sale = await context.openSale();
  await context.redis.hincrby(context.keys.sale(sale).state, 'available', 2);
  // Nothing can be recorded, so nothing is repaired.
  await sql`RENAME TABLE repairs TO repairs_away`.execute(context.db);
  await round();
  expect([await gaps(), await unrepaired()]).toEqual([{ [sale.id]: 2 }, [sale.id]]);

  await sql`RENAME TABLE repairs_away TO repairs`.execute(context.db);
  await round();
  expect([await gaps(), await unrepaired()]).toEqual([{ [sale.id]: 0 }, []]);
});

test('ended sales are audited in turn, a few in a round, and all of them in time', async () => {
  const { context, gaps, round } = await openAuditor();
  const past = { startMs: Date.now() - 20_000_000, endMs: Date.now() - 10_000_000 };
  const over = await Promise.all(Array.from({ length: 6 }, () => context.openSale(past)));
  const open = await context.openSale();
  await round();
  expect(Object.keys(await gaps())).toHaveLength(3);
  expect(await gaps()).toHaveProperty(String(open.id));
  await round();
  await round();
  expect(Object.keys(await gaps()).toSorted()).toEqual([...over, open].map(({ id }) => String(id)).toSorted());
});

test('the gap of a sale is removed when the sale is cleaned up', async () => {
  const { context, gaps, round } = await openAuditor();
  const [gone, stays] = [await context.openSale(), await context.openSale()];
  await round();
  await context.db.updateTable('products').set({ cleaned_at: new Date() }).where('id', '=', gone.id).execute();
  await round();
  expect(await gaps()).toEqual({ [stays.id]: 0 });
});

test('a sale with a gap is always shown, for any number of shown sales', async () => {
  const { context, gaps, round } = await openAuditor(1);
  const [first, , drifts] = [await context.openSale(), await context.openSale(), await context.openSale()];
  await context.redis.hincrby(context.keys.sale(drifts).state, 'available', 1);
  await sql`DROP TABLE repairs`.execute(context.db);
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
