import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { connectDb } from '@flash-sale/shared/platform/mysql/client.ts';
import { updatePaused } from '@flash-sale/shared/sale/products-table.ts';
import { testContext } from '@flash-sale/shared/testing/support.ts';
import { SaleList } from '@flash-sale/shared/sale/sale-list.ts';
import { openMysqlProxy } from '../mysql-proxy.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';

const context = await testContext();

test('while MySQL is down the services use the last list of sales, and see new ones when it is back', async () => {
  const mysql = await openMysqlProxy({ host: context.config.DB_HOST, port: context.config.DB_PORT });
  const db = connectDb({ ...context.config, DB_HOST: mysql.host, DB_PORT: mysql.port }, 'general');
  onTestFinished(() => db.destroy());
  const warnings: string[] = [];
  const log = pino(
    { level: 'warn' },
    new Writable({
      write(line: Buffer, _encoding, done) {
        warnings.push((JSON.parse(line.toString()) as { msg: string }).msg);
        done();
      },
    }),
  );
  const sales = new SaleList(db, log);
  const ids = async (): Promise<number[]> => (await sales.current()).map(({ id }) => id);
  const known = await context.insertSale();
  expect(await ids()).toContain(known.id);

  mysql.cut();
  await expect
    .poll(async () => {
      expect(await ids()).toContain(known.id);
      return warnings.length;
    }, SOON)
    .toBeGreaterThan(0);
  const later = await context.insertSale();
  expect(await ids()).not.toContain(later.id);

  mysql.restore();
  await expect.poll(ids, SOON).toEqual(expect.arrayContaining([known.id, later.id]));
});

test('a MySQL that fails is asked no more often than one that answers, for any number of services', async () => {
  const mysql = await openMysqlProxy({ host: context.config.DB_HOST, port: context.config.DB_PORT });
  const db = connectDb({ ...context.config, DB_HOST: mysql.host, DB_PORT: mysql.port }, 'general');
  onTestFinished(() => db.destroy());
  mysql.cut();
  let failures = 0;
  const log = pino({ level: 'warn' }, { write: () => (failures += 1) });
  const sales = new SaleList(db, log);
  const beganMs = performance.now();
  for (let i = 0; i < 200; i += 1) await sales.current();
  expect(failures).toBeGreaterThan(0);
  expect(failures).toBeLessThanOrEqual(Math.ceil((performance.now() - beganMs) / 250));
});

test('the sales that open first come first, and ended ones come last', async () => {
  const nowMs = Date.now();
  const second = await context.insertSale({ startMs: nowMs + 120_000 });
  const first = await context.insertSale({ startMs: nowMs + 60_000 });

  const over = await context.insertSale({ startMs: nowMs - 120_000, endMs: nowMs - 60_000 });

  const ids = (await new SaleList(context.db, context.log).current()).map(({ id }) => id);

  expect(ids.filter((id) => [first.id, second.id, over.id].includes(id))).toEqual([first.id, second.id, over.id]);
});

test('the sales are not read again without a change; a cleaned, added or paused one is known soon', async () => {
  const sales = new SaleList(context.db, context.log);
  const [gone, paused] = [await context.insertSale(), await context.insertSale()];
  const first = await sales.current();
  const untilMs = performance.now() + 1_500;
  // So long that it has looked again more than once.
  await expect.poll(() => performance.now(), SOON).toBeGreaterThan(untilMs);
  expect(await sales.current()).toBe(first);

  await context.db.updateTable('products').set({ cleaned_at: new Date() }).where('id', '=', gone.id).execute();
  const added = await context.insertSale();
  await updatePaused(context.db, paused.id, true);
  await expect
    .poll(async () => {
      const now = await sales.current();
      const has = (id: number): boolean => now.some((sale) => sale.id === id);
      return [has(gone.id), has(added.id), now.find(({ id }) => id === paused.id)?.paused];
    }, SOON)
    .toEqual([false, true, true]);
});
