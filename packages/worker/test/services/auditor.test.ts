import { sql } from 'kysely';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { buy, shoppers } from '@flash-sale/shared/testing/buying.ts';
import { openTestContext } from '@flash-sale/shared/testing/support.ts';
import { loadSale } from '@flash-sale/shared/reconciliation/rebuild.ts';
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

test.each<[string, 'state' | 'batches' | 'all']>([
  ['all keys', 'all'],
  ['the state', 'state'],
  ['the batches', 'batches'],
])('a sale that lost %s by hand leaves no waiting orders in the figures of its shard', async (_what, lost) => {
  const { context, metrics, round } = await openAuditor();
  const { commands, keys, redis } = context;
  const [sale, other] = [await context.openSale(), await context.openSale()];
  await buy(context, sale, shoppers(3));
  await buy(context, other, shoppers(2));
  const { state, batches, batchTimes, owners } = keys.sale(sale);
  await redis.del(
    ...{ all: [state, batches, batchTimes, owners], state: [state], batches: [batches, batchTimes] }[lost],
  );
  // Warm-up loads what is gone.
  await loadSale(context, sale, 5_000);
  await round();

  const left = lost === 'state' ? 3 : 0;
  expect([await commands.backlog(sale), await commands.backlog(other)]).toEqual([left, 2]);
  expect(Number(await redis.get(keys.backlog(0)))).toBe(left + 2);
  const waiting = new Set((await commands.outbox(0)).map(({ saleId }) => saleId));
  expect(waiting).toEqual(new Set(left === 0 ? [other.id] : [sale.id, other.id]));
  const { value } = (await metrics.drifts.get()).values[0]!;
  expect(value).toBeGreaterThan(0);

  await round();
  expect((await metrics.drifts.get()).values[0]!.value).toBe(value);
});

test('an unknown sale is removed from the outbox', async () => {
  const { context, round } = await openAuditor();
  await context.redis.zadd(context.keys.outbox(0), Date.now(), 900_000);
  await round();
  expect(await context.commands.outbox(0)).toEqual([]);
});

test('an outbox in use is not changed by its audit', async () => {
  const { context, metrics, round } = await openAuditor();
  const sales = await Promise.all(Array.from({ length: 5 }, () => context.openSale({ seckillStock: 1_000 })));
  const ended = new AbortController();
  const buying = sales.map(async (sale, s) => {
    for (let i = 0; !ended.signal.aborted; i += 1) await buy(context, sale, [`u${s}-${i}`]);
  });
  for (let i = 0; i < 5; i += 1) await round();
  ended.abort();
  await Promise.all(buying);
  const backlogs = await Promise.all(sales.map((sale) => context.commands.backlog(sale)));
  expect(Number(await context.redis.get(context.keys.backlog(0)))).toBe(backlogs.reduce((sum, one) => sum + one, 0));
  expect((await metrics.drifts.get()).values[0]!.value).toBe(0);
});
