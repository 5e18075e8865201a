import { onTestFinished } from 'vitest';
import { connectDb } from '@flash-sale/shared/platform/mysql/client.ts';
import type { Sale, SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { createCommands } from '@flash-sale/shared/commands.ts';
import { acquireLease } from '@flash-sale/shared/sale/lease.ts';
import { createMetrics, type Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import type { TestContext } from '@flash-sale/shared/testing/support.ts';
import { NotNow, SaleWriter, type SaleWriterDeps } from '../../src/order-writer/sale-writer.ts';
import { readLedger } from '../ledger.ts';
import { openMysqlProxy } from '../mysql-proxy.ts';
import { settleOrders } from '../shoppers.ts';

/**
 * What a worker process gives its writers: connections and metrics of its own. `server` is its
 * MySQL.
 */
export function openProcess(
  context: TestContext,
  orderBatchMax = 500,
  server: { host: string; port: number } = { host: context.config.DB_HOST, port: context.config.DB_PORT },
): SaleWriterDeps {
  const db = connectDb({ ...context.config, DB_HOST: server.host, DB_PORT: server.port }, 'lease');
  const redis = connectRedis(context.config, 'background');
  onTestFinished(async () => {
    await db.destroy();
    redis.disconnect();
  });
  const commands = createCommands(redis, context.keys);
  return {
    db,
    commands,
    log: context.log,
    metrics: createMetrics('worker'),
    orderBatchMax,
    paymentTimeoutMs: 900_000,
    orderEvents: false,
  };
}

export const openMysql = (context: TestContext) =>
  openMysqlProxy({ host: context.config.DB_HOST, port: context.config.DB_PORT });

export async function transactionsOf(metrics: Metrics): Promise<number> {
  const { values } = await metrics.writeBatch.get();
  return values.find(({ metricName }) => metricName === 'seckill_write_batch_size_count')?.value ?? 0;
}

export const leasesLost = async (metrics: Metrics): Promise<number> =>
  (await metrics.leasesLost.get()).values[0]!.value;

/** The last fencing token that Redis gave out. */
export const fenceCounter = (context: TestContext, sale: SaleRef): Promise<string | null> =>
  context.redis.get(context.keys.sale(sale).fence);

/** Takes the lease as another process does; it is renewed until the test lets it go. */
export async function holdLease(context: TestContext, sale: SaleRef) {
  const lease = (await acquireLease(context.commands, sale, 5_000))!;
  onTestFinished(() => lease.release());
  return lease;
}

/** Runs jobs as the queue does: a job that ends with NotNow runs again. */
export async function settleInTheEnd(writer: SaleWriter, orderNos: readonly string[]): Promise<void> {
  for (;;) {
    try {
      await settleOrders(writer, orderNos);
      return;
    } catch (error) {
      if (!(error instanceof NotNow)) throw error;
    }
  }
}

export function inJobsOf(size: number, orderNos: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(orderNos.length / size) }, (_, i) => orderNos.slice(i * size, (i + 1) * size));
}

/** What became of a sale's orders: in the ledger, and still waiting for it. */
export async function outcomeOf(context: TestContext, sale: Sale) {
  const { orders, sold, returns } = await readLedger(context.db, sale);
  return {
    written: orders.map(({ order_no: orderNo }) => orderNo),
    statuses: [...new Set(orders.map(({ status }) => status))],
    sold,
    returns,
    waiting: await context.commands.backlog(sale),
  };
}

/** The outcome if each of these orders was written exactly once and settled. */
export const onceEach = (orderNos: readonly string[]) => ({
  written: orderNos.toSorted(),
  statuses: ['pending_payment'],
  sold: orderNos.length,
  returns: [],
  waiting: 0,
});
