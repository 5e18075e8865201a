import { expect, onTestFinished, test } from 'vitest';
import { ConfigSchema } from '@flash-sale/shared/config/config.ts';
import { connectDb } from '@flash-sale/shared/db/client.ts';
import { underLock } from '@flash-sale/shared/db/lock.ts';
import { SaleTransactions } from '@flash-sale/shared/order/sale-transactions.ts';
import { createMetrics } from '@flash-sale/shared/telemetry/metrics.ts';
import { ledgerOf, placeOrders } from '../../../shared/test/ordering.ts';
import { openTestContext } from '../../../shared/test/support.ts';
import { expiry } from '../../src/services/expiry.ts';

test('the smallest pool is enough for a worker whose services all hold their locks: none waits for a connection that never comes', async () => {
  const context = await openTestContext();
  onTestFinished(() => context.close());
  const { commands, log, config } = context;
  const [order] = await placeOrders(context, await context.openSale(), ['late'], { expires_at_ms: Date.now() - 1 });
  const { minimum } = ConfigSchema.properties.DB_POOL_MAX as unknown as { minimum: number };
  const db = connectDb({ ...config, DB_POOL_MAX: minimum }, 'general');
  onTestFinished(() => db.destroy());
  const release = Promise.withResolvers<void>();
  const taken: Promise<void>[] = [];
  const held = ['payment_calls', 'order_events', 'retention'].map((name) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    taken.push(promise);
    return underLock(db, `${config.DB_NAME}.${name}`, async () => {
      resolve();
      await release.promise;
    });
  });
  await Promise.all(taken);

  const saleTransactions = new SaleTransactions({ db, commands, log, order_events: false });
  const deps = { db, db_name: config.DB_NAME, saleTransactions, log, metrics: createMetrics('worker') };
  await expiry(deps).round(new AbortController().signal);
  expect(await ledgerOf(context, order!)).toMatchObject({ status: 'expired' });
  release.resolve();
  await Promise.all(held);
}, 6_000);
