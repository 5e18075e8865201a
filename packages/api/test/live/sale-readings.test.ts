import { describe, expect, it } from 'vitest';
import { placeOrders } from '@flash-sale/shared/testing/ordering.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { countsOf } from '@flash-sale/shared/sale/sale-figures.ts';
import type { SaleTotals } from '@flash-sale/shared/sale/sale-counters-table.ts';
import { changeOf } from '../../src/live/reading.ts';
import { SaleReadings } from '../../src/live/sale-readings.ts';
import { testContext } from '../../testing/support.ts';

const NO_TOTALS: SaleTotals = { pending_payment: 0, failed: 0, paid: 0, cancelled: 0, expired: 0, refunded: 0 };

const context = await testContext();

/** Reads sales as the live stream does. */
function reader() {
  const readings = new SaleReadings();
  return async (sales: readonly Sale[], totals: SaleTotals = { ...NO_TOTALS }, laterMs = 0) => {
    const figures = await context.commands.readFigures(sales);
    return readings.of(
      sales.map((sale, i) => ({
        sale,
        figures: figures[i]!,
        totals,
        room: undefined,
        nowMs: figures[i]!.nowMs + laterMs,
      })),
    );
  };
}

describe('the readings of sales', () => {
  it('are the same objects while nothing happens, so that a sale at rest costs nothing', async () => {
    const [quiet, busy] = [await context.openSale(), await context.openSale()];
    const read = reader();
    const first = await read([quiet, busy]);
    await placeOrders(context, busy, ['written']);
    const second = await read([quiet, busy]);
    expect(second.get(quiet.id)).toBe(first.get(quiet.id));
    expect(second.get(busy.id)).toMatchObject({ available: 9, held: 1, gap: 0 });
    const whole = { time: '', redis: true, mysql: true, shards: [], processes: [] };
    const change = changeOf({ ...whole, sales: first }, { ...whole, sales: second });
    expect(change.sales.map(({ id }) => id)).toEqual([busy.id]);
  });

  it('follow the totals of the ledger, the end of a sale, and a server that is away', async () => {
    const sale = await context.openSale();
    const read = reader();
    const first = (await read([sale])).get(sale.id);
    expect((await read([sale], { ...NO_TOTALS, paid: 1 })).get(sale.id)).toEqual({ ...first, paid: 1 });
    const over = await read([sale], NO_TOTALS, sale.endMs - sale.startMs);
    expect(over.get(sale.id)).toEqual({ ...first, status: 'ended' });
    const readings = new SaleReadings();
    const away = readings.of([{ sale, figures: undefined, totals: undefined, room: undefined, nowMs: Date.now() }]);
    expect(away.get(sale.id)).toMatchObject({ available: null, accepted: null, refused: null, written: null });
  });

  it('are in the order of the sales, of however many', async () => {
    const sales: Sale[] = [];
    for (let i = 0; i < 3; i += 1) sales.push(await context.openSale({ seckillStock: 5 + i }));
    // More than one script reads.
    const many = Array.from({ length: 250 }, (_, i) => sales[i % 3]!);
    const figures = await context.commands.readFigures(many);
    expect(figures.map(({ text }) => text.split('\n')[1])).toEqual(many.map((sale) => String(sale.seckillStock)));
    expect(await context.commands.readFigures([])).toEqual([]);
  });

  it('count the buys of a thousand api processes: one that starts again has a new name', async () => {
    const sale = await context.openSale();
    const runs = Array.from({ length: 1_000 }, (_, i) => i);
    const counts = runs.flatMap((run) =>
      ['accepted', 'sold_out', 'paused', 'replayed'].map((name) => [`${run} ${name}`, 1]),
    );
    await context.redis.hset(context.keys.sale(sale).outcomes, ...counts.flat());
    const [figures] = await context.commands.readFigures([sale]);
    const each = runs.length;
    expect(countsOf(figures!).outcomes).toEqual({ accepted: each, sold_out: each, paused: each, replayed: each });
  });
});
