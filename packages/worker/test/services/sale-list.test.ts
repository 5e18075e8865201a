import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { connectDb } from '@flash-sale/shared/db/client.ts';
import { openTestContext, type TestContext } from '../../../shared/test/support.ts';
import { SaleList } from '../../src/services/sale-list.ts';
import { openMysqlProxy } from '../mysql-proxy.ts';
import { SOON } from '../soon.ts';

let context: TestContext;
beforeAll(async () => {
  context = await openTestContext();
});
afterAll(() => context.close());

test('while MySQL is away the services go on with the sales read last, and learn of new ones when it is back', async () => {
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

test('the sales that open first come first', async () => {
  const now_ms = Date.now();
  const second = await context.insertSale({ start_ms: now_ms + 120_000 });
  const first = await context.insertSale({ start_ms: now_ms + 60_000 });

  const ids = (await new SaleList(context.db, context.log).current()).map(({ id }) => id);

  expect(ids.indexOf(first.id)).toBeLessThan(ids.indexOf(second.id));
});
