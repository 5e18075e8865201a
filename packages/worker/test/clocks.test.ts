import { Queue } from 'bullmq';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { ORDERS_QUEUE, writeOrders, type WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { openTestContext } from '@flash-sale/shared/testing/support.ts';
import { admitAll } from './shoppers.ts';
import { startWorker } from './worker-process.ts';
import { batchNoOf } from '@flash-sale/shared/order/order-number.ts';

const SHIFTED = new URL('../../shared/testing/shifted-clock.ts', import.meta.url).pathname;
const TIME_TO_PAY_MS = 3_000;

test.each([
  ['20 min behind', -1_200_000],
  ['an hour ahead', 3_600_000],
])(
  'a worker whose clock is %s writes and closes orders by the ledger’s clock: it once gave 75 minutes to pay, or none',
  { timeout: 60_000 },
  async (_, shiftMs) => {
    const context = await openTestContext({ PAYMENT_TIMEOUT_SECONDS: String(TIME_TO_PAY_MS / 1_000) });
    const connection = connectRedis(context.config, 'producer');
    const queue = new Queue<WriteOrdersJob>(ORDERS_QUEUE, { connection, prefix: context.keys.queuePrefix(0) });
    onTestFinished(async () => {
      await queue.close();
      connection.disconnect();
      await context.close();
    });
    const sale = await context.openSale();
    const worker = await startWorker({
      ...context.env,
      NODE_OPTIONS: `--import=${SHIFTED}`,
      CLOCK_SHIFT_MS: String(shiftMs),
    });
    const { rows: before } = await sql<{ now: Date }>`SELECT UTC_TIMESTAMP(3) AS now`.execute(context.db);

    const [orderNo] = await admitAll(context, sale, ['alice']);
    const { name, data, opts } = writeOrders(sale, batchNoOf(orderNo!));
    await queue.add(name, data, opts);

    const orderIn = async (status: Order['status']) =>
      context.db
        .selectFrom('orders')
        .select(['expires_at', 'closed_at', sql<Date>`UTC_TIMESTAMP(3)`.as('now')])
        .where('order_no', '=', orderNo!)
        .where('status', '=', status)
        .executeTakeFirst();
    const soon = { timeout: 15_000, interval: 20 };
    const written = await expect
      .poll(() => orderIn('pending_payment'), soon)
      .toBeDefined()
      .then(() => orderIn('pending_payment'));
    expect(written!.expires_at!.getTime()).toBeGreaterThanOrEqual(before[0]!.now.getTime() + TIME_TO_PAY_MS);
    expect(written!.expires_at!.getTime()).toBeLessThanOrEqual(written!.now.getTime() + TIME_TO_PAY_MS);
    await expect.poll(() => orderIn('expired'), soon).toBeDefined();
    const expired = await orderIn('expired');
    expect(expired!.closed_at!.getTime()).toBeGreaterThanOrEqual(expired!.expires_at!.getTime());
    expect(expired!.closed_at!.getTime()).toBeLessThanOrEqual(expired!.now.getTime());

    const metrics = await (await fetch(`http://127.0.0.1:${worker.ops_port}/metrics`)).text();
    for (const server of ['redis', 'mysql']) {
      const line = new RegExp(`^seckill_clock_offset_seconds\\{.*server="${server}".*\\} (\\S+)$`, 'm').exec(metrics);
      expect(Number(line?.[1])).toBeCloseTo(-shiftMs / 1_000, 0);
    }
  },
);
