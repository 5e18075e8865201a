import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { createCommands, type Commands } from '@flash-sale/shared/commands.ts';
import { SaleTransactions } from '@flash-sale/shared/order-moves/sale-transactions.ts';
import { connectDb, type Db } from '@flash-sale/shared/platform/mysql/client.ts';
import type { LedgerService } from '../../src/services/service-leads-table.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';
import { connectRedis, type RedisClient } from '@flash-sale/shared/platform/redis/client.ts';
import { insertOrderEvents } from '@flash-sale/shared/order-events/order-events-table.ts';
import { paymentProviders, ProviderFault, type PaymentProvider } from '@flash-sale/shared/payment/provider.ts';
import { createSandbox } from '@flash-sale/shared/payment/sandbox.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { ledgerOf, openPayment, placeOrder } from '@flash-sale/shared/testing/ordering.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { httpReceiver, type Receiver } from '../../src/order-events/receiver.ts';
import { auditor } from '../../src/services/auditor.ts';
import { duePayments } from '../../src/services/due-payments.ts';
import { expiry } from '../../src/services/expiry.ts';
import { underLead, leadsInLedger, leadsInRedis } from '../../src/services/lead.ts';
import { orderEvents } from '../../src/services/order-events.ts';
import { Silence } from '../../src/services/outage.ts';
import { paymentCalls } from '../../src/services/payment-calls.ts';
import { forEachSale } from '../../src/services/service.ts';
import { warmUp } from '../../src/services/warm-up.ts';
import { openMysqlProxy } from '../mysql-proxy.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';

const NOWHERE = '127.0.0.1:1';
const SECRET = `whsec_${Buffer.from('a key of twenty-four byte').toString('base64')}`;

let context: TestContext;
beforeEach(async () => {
  context = await openTestContext();
  onTestFinished(() => context.close());
});

interface Process {
  readonly db: Db;
  readonly redis: RedisClient;
  readonly commands: Commands;
  readonly saleTransactions: SaleTransactions;
  readonly metrics: ReturnType<typeof createMetrics>;
}

function processOf(db: Db, redis: RedisClient): Process {
  const commands = createCommands(redis, context.keys);
  const saleTransactions = new SaleTransactions({ db, commands, log: context.log, orderEvents: false });
  return { db, redis, commands, saleTransactions, metrics: createMetrics('worker') };
}
const whole = (): Process => processOf(context.db, context.redis);

/** A process that has its own way to Redis alone; there is none to MySQL. */
async function withoutMysql(): Promise<Process> {
  const proxy = await openMysqlProxy({ host: context.config.DB_HOST, port: context.config.DB_PORT });
  proxy.cut();
  const db = connectDb({ ...context.config, DB_HOST: proxy.host, DB_PORT: proxy.port }, 'general');
  onTestFinished(() => db.destroy());
  return processOf(db, context.redis);
}

function withoutRedis(): Process {
  const redis = connectRedis({ ...context.config, REDIS_ADDR: NOWHERE }, 'request').on('error', () => undefined);
  onTestFinished(() => redis.disconnect());
  return processOf(context.db, redis);
}

/** Lets a process lead that does not reach a server, until another one has done the work. */
async function leadFirst<Name extends string>(
  leads: Parameters<typeof underLead<Name>>[1]['leads'],
  roundsOf: (process: Process) => Rounds<Name>,
  [cutOff, other]: readonly [Process, Process],
): Promise<void> {
  const [first, second] = [cutOff, other].map((process, i) =>
    underLead(roundsOf(process), { leads, processName: `process ${i}`, log: context.log, metrics: process.metrics }),
  );
  onTestFinished(async () => {
    await Promise.all([first!.stop(), second!.stop()]);
  });
  first!.start();
  const failures = async () => (await cutOff.metrics.roundsFailed.get()).values.map(({ value }) => value);
  await expect.poll(failures, SOON).not.toEqual([0]);
  second!.start();
}

test('a sale is audited, though the process that leads the auditor does not reach MySQL: it once kept the lead for good', async () => {
  const sale = await context.openSale();
  await context.redis.hincrby(context.keys.sale(sale).state, 'available', 2);
  const sales = { current: () => Promise.resolve([sale]) };
  const { keys, log } = context;
  const processes = [await withoutMysql(), whole()] as const;
  const rounds = (process: Process) => auditor({ ...process, keys, log, shard: 0, sales });
  await leadFirst(leadsInRedis(context.commands, 0), rounds, processes);
  await expect.poll(async () => (await context.commands.readSale(sale)).available, SOON).toBe(10);
});

test('a sale is loaded, though the process that leads the warm-up does not reach MySQL', async () => {
  const sale = await context.insertSale();
  const sales = { current: () => Promise.resolve([sale]) };
  const processes = [await withoutMysql(), whole()] as const;
  const rounds = (process: Process) => warmUp({ ...process, log: context.log, shard: 0, sales });
  await leadFirst(leadsInRedis(context.commands, 0), rounds, processes);
  await expect.poll(async () => (await context.commands.readSale(sale)).ready, SOON).toBe(true);
});

test('an order expires, though the process that leads the expiry does not reach Redis', async () => {
  const order = await placeOrder(context, await context.openSale());
  const past = new Date(Date.now() - 60_000);
  await context.db.updateTable('orders').set({ expires_at: past }).execute();
  const rounds = (process: Process) => expiry({ ...process, log: context.log });
  await leadFirst<LedgerService>(leadsInLedger(context.db), rounds, [withoutRedis(), whole()]);
  await expect.poll(async () => (await ledgerOf(context, order)).status, SOON).toBe('expired');
});

test('an order is paid, though the process that leads the due payments does not reach Redis', async () => {
  const order = await placeOrder(context, await context.openSale());
  const paymentId = await openPayment(context, order.orderNo);
  await context.db
    .updateTable('payments')
    .set({ status: 'succeeded', order_due_at: new Date() })
    .where('payment_id', '=', paymentId)
    .execute();
  const rounds = (process: Process) => duePayments({ ...process, log: context.log });
  await leadFirst<LedgerService>(leadsInLedger(context.db), rounds, [withoutRedis(), whole()]);
  await expect.poll(async () => (await ledgerOf(context, order)).status, SOON).toBe('paid');
});

test('money is refunded, though the process that leads the payment calls does not reach the provider', async () => {
  const order = await placeOrder(context, await context.openSale());
  await openPayment(context, order.orderNo);
  await context.db.updateTable('payments').set({ status: 'refund_pending', ask_at: new Date() }).execute();
  const providerOf = (refund: PaymentProvider['refund']): PaymentProvider => ({
    ...createSandbox({ secret: 'secret', publicUrl: `http://${NOWHERE}`, log: context.log }),
    refund,
  });
  const unreached = () => Promise.reject(new ProviderFault('unanswered', 'An error occurred with our connection'));
  const refunded = () => Promise.resolve({ now: 'refunded' as const });
  const processes = [whole(), whole()] as const;
  const rounds = (process: Process) =>
    paymentCalls({
      ...process,
      providers: paymentProviders(providerOf(process === processes[0] ? unreached : refunded)),
      log: context.log,
      silenceMsMax: 0,
    });
  await leadFirst<LedgerService>(leadsInLedger(context.db), rounds, processes);
  // It is asked again after half a minute.
  await context.db.updateTable('payments').set({ ask_at: new Date() }).execute();
  await expect.poll(async () => (await ledgerOf(context, order)).payments, SOON).toEqual(['refunded']);
});

test('order events are delivered, though the process that leads them does not reach the receiver', async () => {
  const order = await placeOrder(context, await context.openSale());
  const came = [{ orderNo: order.orderNo, status: order.status }];
  await context.db.transaction().execute((tx) => insertOrderEvents(tx, order.productId, came, Date.now()));
  const delivered: string[] = [];
  const receiver: Receiver = { deliver: (messageId) => Promise.resolve(void delivered.push(messageId)) };
  const cutOff = httpReceiver(`http://${NOWHERE}`, { EVENTS_SECRET: SECRET });
  const processes = [whole(), whole()] as const;
  const rounds = (process: Process) =>
    orderEvents({
      ...process,
      receiver: process === processes[0] ? cutOff : receiver,
      giveUpMs: 60_000,
      log: context.log,
      silenceMsMax: 0,
    });
  await leadFirst<LedgerService>(leadsInLedger(context.db), rounds, processes);
  await expect.poll(() => delivered, SOON).toHaveLength(1);
});

test('a process gives up its lead if the provider or the receiver answers nothing for 30 s; each answer starts this time again', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const silence = new Silence();
  const reason = new Error('no answer');
  const roundAfter = (ms: number) => {
    vi.advanceTimersByTime(ms);
    silence.unanswered(reason);
    silence.endRound();
  };
  roundAfter(0);
  roundAfter(29_000);
  silence.answered();
  roundAfter(2_000);
  roundAfter(29_000);
  expect(() => roundAfter(1_000)).toThrow(reason);
  // It tries as long again if it leads again.
  roundAfter(0);
});

test('a round ends after a few sales if a server is away; a fault of one sale, or a locked row, delays no other sale', async () => {
  const sales = Array.from({ length: 10 }, (_, id) => ({ id, shard: 0 }));
  const doAll = async (work: (id: number) => unknown) => {
    const done: number[] = [];
    const deps = { stopping: new AbortController().signal, log: context.log, service: 'tested' };
    const round = forEachSale(sales, deps, async ({ id }) => {
      done.push(id);
      await work(id);
    });
    return { done, failure: await round.catch((error: unknown) => error) };
  };
  const lost = Object.assign(new Error('lost'), { code: 'ECONNRESET' });
  expect(await doAll(() => Promise.reject(lost))).toEqual({ done: [0, 1, 2], failure: lost });
  const all = sales.map(({ id }) => id);
  const once = await doAll((id) => (id === 0 ? Promise.reject(lost) : undefined));
  expect(once).toEqual({ done: all, failure: lost });
  for (const fault of [new Error('a fault of ours'), { errno: 1205 }, { errno: 1213 }]) {
    expect(await doAll(() => Promise.reject(fault as Error))).toEqual({ done: all, failure: undefined });
  }
});
