import { expect, onTestFinished, test } from 'vitest';
import { connectDb } from '@flash-sale/shared/platform/mysql/client.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { testContext } from '@flash-sale/shared/testing/support.ts';
import { OrderWriter } from '../../src/order-writer/order-writer.ts';
import { NotNow } from '../../src/order-writer/sale-writer.ts';
import { aLockIsWaitedFor, lockSaleRow, readLedger } from '../ledger.ts';
import { admitAll, shoppers, settleOrdersOf } from '../shoppers.ts';

const context = await testContext();

function openWriter(): OrderWriter {
  const db = connectDb(context.config, 'lease');
  onTestFinished(() => db.destroy());
  const { commands, log } = context;
  return new OrderWriter({
    db,
    commands,
    log,
    metrics: createMetrics('worker'),
    orderBatchMax: 500,
    paymentTimeoutMs: 900_000,
    orderEvents: false,
  });
}

test('a sale whose row is locked does not delay the others', async () => {
  const [stuck, free] = [await context.openSale(), await context.openSale()];
  const writer = openWriter();
  const lock = await lockSaleRow(context.config, stuck);
  const waiting = settleOrdersOf(writer, stuck, await admitAll(context, stuck, shoppers(2)));
  await aLockIsWaitedFor(context.db);

  await settleOrdersOf(writer, free, await admitAll(context, free, shoppers(2)));

  expect(await readLedger(context.db, free)).toMatchObject({ sold: 2 });
  expect(await readLedger(context.db, stuck)).toMatchObject({ sold: 0 });
  await lock.release();
  await waiting;
  expect(await readLedger(context.db, stuck)).toMatchObject({ sold: 2 });
});

test('after a stop, a new job returns to the queue: a stopping process begins nothing new', async () => {
  const sale = await context.openSale();
  const writer = openWriter();
  await writer.stop();
  const late = await admitAll(context, sale, ['late']);

  await expect(settleOrdersOf(writer, sale, late)).rejects.toThrow(NotNow);

  expect(await readLedger(context.db, sale)).toMatchObject({ sold: 0, orders: [] });
});
