import { Queue } from 'bullmq';
import type { LightMyRequestResponse as Response } from 'fastify';
import { afterAll, expect, vi } from 'vitest';
import { loadConfig } from '@flash-sale/shared/platform/config/config.ts';
import { connectDb } from '@flash-sale/shared/platform/mysql/client.ts';
import { insertOrders } from '@flash-sale/shared/order/orders-table.ts';
import { addSold } from '@flash-sale/shared/sale/products-table.ts';
import { ERRORS, type ErrorCode } from '@flash-sale/shared/platform/errors.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { SaleTransactions } from '@flash-sale/shared/order-moves/sale-transactions.ts';
import { choosePaymentProviders } from '@flash-sale/shared/payment/choose.ts';
import { ORDERS_QUEUE, type WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import { connectRedis, type ConnectionUse, type RedisClient } from '@flash-sale/shared/platform/redis/client.ts';
import { RedisClock } from '@flash-sale/shared/platform/redis/clock.ts';
import { createCommands } from '@flash-sale/shared/commands.ts';
import { withStampedLease } from '@flash-sale/shared/sale/lease.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { buildApp, type App } from '../src/app.ts';
import { openSeckillTokens } from '../src/seckill/token-secrets.ts';
import type { AppBounds, AppDeps } from '../src/deps.ts';
import { openTestContext, testContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { settle } from '@flash-sale/shared/testing/settling.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';

export { openTestContext, testContext, type TestContext };

export const OPERATOR_TOKEN = 'the-operators-own-token';
export const VIEWER_TOKEN = 'the-viewers-own-token';
/** The secret of seckill tokens, so that a test can sign a token that was never issued. */
export const TOKEN_SECRET = 'a-secret-of-seckill-tokens';
/**
 * The settings of every test of this package. With them, a sale that a test inserts into MySQL is
 * listed at once, and no test reaches a limit by accident.
 */
export const API_ENV = {
  NODE_ENV: 'test',
  ADMIN_TOKEN: OPERATOR_TOKEN,
  TOKEN_SECRETS: TOKEN_SECRET,
  EVENT_LOOP_DELAY_MAX_MS: '60000',
  RATE_LIMIT_GLOBAL_CAPACITY: '1000000',
  RATE_LIMIT_GLOBAL_PER_SECOND: '1000000',
  RATE_LIMIT_USER_CAPACITY: '1000',
  RATE_LIMIT_USER_PER_SECOND: '1000',
  RATE_LIMIT_LEDGER: '1000/1000',
} as const;
/** The same for bounds that are not settings. */
const API_BOUNDS: AppBounds = { productCacheMs: 0, operatorFailures: { capacity: 10_000, perSecond: 1 } };

/** The real app on the servers of a context, for `inject`. */
export interface TestApp extends App {
  readonly deps: AppDeps;
  readonly get: (url: string, headers?: Record<string, string>) => Promise<Response>;
  readonly post: (url: string, payload?: unknown, headers?: Record<string, string>) => Promise<Response>;
  /** Gets a seckill token. Fails if it is refused. */
  readonly tokenOf: (sale: Pick<Sale, 'id'>, userId: string) => Promise<string>;
  readonly buy: (sale: Pick<Sale, 'id'>, userId: string, token: string, quantity?: unknown) => Promise<Response>;
  /** Gets a seckill token and buys with it. Returns the order number; fails if there is none. */
  readonly win: (sale: Pick<Sale, 'id'>, userId: string) => Promise<string>;
  close(): Promise<void>;
}

/**
 * A context and an app for the tests of a file. Await it at the top of the file: it closes both
 * after the last test.
 */
export async function openTestApp(
  env: Readonly<Record<string, string>> = {},
  parts: Parameters<typeof openApp>[2] = {},
): Promise<{ readonly context: TestContext; readonly app: TestApp }> {
  const context = await openTestContext(env);
  const app = await openApp(context, {}, parts);
  afterAll(async () => {
    await app.close();
    await context.close();
  });
  return { context, app };
}

/**
 * Builds the app as `main` does, with real connections to the context's servers. `env` changes its
 * settings; `parts` changes its dependencies and bounds.
 */
export async function openApp(
  context: TestContext,
  env: Readonly<Record<string, string>> = {},
  parts: Partial<Pick<AppDeps, 'providers' | 'bounds'>> = {},
): Promise<TestApp> {
  const config = loadConfig({ ...API_ENV, ...context.env, ...env });
  const connect = (use: ConnectionUse): RedisClient => connectRedis(config, use).on('error', () => undefined);
  const [redis, producer, subscriber] = [connect('request'), connect('producer'), connect('blocking')];
  const operatorRedis = connect('producer');
  const db = connectDb(config, 'general');
  const leaseDb = connectDb({ ...config, DB_POOL_MAX: 2 }, 'lease');
  const commands = createCommands(redis, context.keys);
  const queue = new Queue<WriteOrdersJob>(ORDERS_QUEUE, {
    connection: producer,
    prefix: context.keys.queuePrefix(0),
  });
  queue.on('error', () => undefined);
  const clock = new RedisClock(redis, commands, 0);
  clock.start();
  const metrics = createMetrics('api');
  const deps: AppDeps = {
    config,
    log: context.log,
    metrics,
    db,
    leaseDb,
    redis,
    subscriber,
    operatorRedis,
    keys: context.keys,
    commands,
    tokens: await openSeckillTokens(config, db),
    saleTransactions: new SaleTransactions({
      db,
      commands,
      log: context.log,
      orderEvents: config.EVENTS_URL !== undefined,
    }),
    providers: parts.providers ?? (await choosePaymentProviders(config, { db, log: context.log, metrics })),
    clock: () => clock,
    queue: () => queue,
    bounds: { ...API_BOUNDS, ...parts.bounds },
  };
  const app = await buildApp(deps);
  await clock.untilKnown(5_000);
  await queue.waitUntilReady();

  const { server } = app;
  const post: TestApp['post'] = (url, payload, headers = {}) =>
    server.inject({ method: 'POST', url, headers, ...(payload === undefined ? {} : { payload: payload as object }) });
  const buy: TestApp['buy'] = (sale, userId, token, quantity) =>
    post('/api/v1/seckill/buy', { user_id: userId, product_id: sale.id, token, quantity });
  const tokenOf: TestApp['tokenOf'] = async (sale, userId) => {
    const answer = await decided(() => post('/api/v1/seckill/token', { user_id: userId, product_id: sale.id }));
    expect(seen(answer)).toMatchObject({ status: 200 });
    return answer.json<{ token: string }>().token;
  };
  return {
    ...app,
    deps,
    get: (url, headers = {}) => server.inject({ method: 'GET', url, headers }),
    post,
    tokenOf,
    buy,
    async win(sale, userId) {
      const token = await tokenOf(sale, userId);
      const answer = await decided(() => buy(sale, userId, token));
      expect(seen(answer)).toMatchObject({ status: 202 });
      return answer.json<{ order_no: string }>().order_no;
    },
    async close() {
      await server.close();
      await queue.close();
      clock.stop();
      for (const client of [redis, producer, subscriber, operatorRedis]) client.disconnect();
      await Promise.all([db.destroy(), leaseDb.destroy()]);
    },
  };
}

/**
 * Repeats a call that Redis did not answer in time, as a client does: only a retry finds out what
 * became of it. A test on a busy machine may set a short `REDIS_TIMEOUT_MS`.
 */
const decided = (call: () => Promise<Response>): Promise<Response> =>
  vi.waitFor(async () => {
    const answer = await call();
    if (answer.statusCode === 503 && answer.json<{ code: string }>().code === 'unavailable')
      throw new Error(`no answer from Redis: ${answer.body}`);
    return answer;
  }, SOON);

/** The part of an answer that a failing test shows. */
const seen = (answer: Response) => ({ status: answer.statusCode, body: answer.body });

/** The headers of an operator's call, and of a viewer's if the app has `VIEWER_TOKEN`. */
export const AS_OPERATOR = { authorization: `Bearer ${OPERATOR_TOKEN}` };
export const AS_VIEWER = { authorization: `Bearer ${VIEWER_TOKEN}` };

/** The common part of an injected and a fetched answer. */
interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** Text of a stack trace, a driver or a server, which no answer may contain. */
const INSIDE_STORY =
  /\n\s+at |node_modules|\.ts:\d|ECONN|\bER_[A-Z]|\b(SELECT|INSERT|UPDATE)\b|[Rr]edis|MySQL|MariaDB|Bull|ReplyError|Stream isn't|timed out/;

declare module 'vitest' {
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown> {
    /**
     * Checks an answer against its row of the error table: status, media type, code, request id,
     * `Retry-After`, and no internal text.
     */
    toBeProblem: (code: ErrorCode) => R;
  }
}

expect.extend({
  toBeProblem(answer: Response | Answer, code: ErrorCode) {
    const problem = problemOf(answer);
    const { status, title } = ERRORS[code];
    const comesBack = status === 429 || status === 503;
    const expected = {
      status,
      media_type: 'application/problem+json',
      retry_after: comesBack ? expect.stringMatching(/^[1-9]\d*$/) : undefined,
      request_id: expect.stringMatching(/^[\w-]{1,64}$/),
      body: {
        type: `urn:flash-sale:problem:${code}`,
        title,
        status,
        code,
        // Only buys are told that a sale is sold out.
        ...(code === 'sold_out' ? { available: expect.any(Number) } : {}),
        request_id: problem.request_id,
      },
      told: null,
    };
    return {
      pass: this.equals(problem, expected),
      message: () => `expected the problem ${code}`,
      actual: problem,
      expected,
    };
  },
});

function problemOf(answer: Response | Answer) {
  const { headers, body } = answer;
  const { detail, ...rest } = (body === '' ? {} : JSON.parse(body)) as Record<string, unknown>;
  const status = 'statusCode' in answer ? answer.statusCode : answer.status;
  return {
    status,
    media_type: headers['content-type'],
    retry_after: headers['retry-after'],
    request_id: headers['x-request-id'],
    body: rest,
    // An answer may say what is wrong with a request, but not what is wrong with the service.
    told: INSIDE_STORY.exec(body) ?? (status >= 500 ? (detail ?? null) : null),
  };
}

/** Brings a queued order to the ledger and settles it, as the worker does. */
export async function settleOrder(context: TestContext, sale: Sale, orderNo: string): Promise<void> {
  const { commands, db } = context;
  const reservation = (await commands.allReservations(sale)).find((one) => one.orderNo === orderNo);
  const { userId, priceCents, quantity, admittedMs } = reservation!;
  const order: Order = {
    orderNo,
    productId: sale.id,
    userId,
    status: 'pending_payment',
    priceCents,
    quantity,
    createdAtMs: admittedMs,
    expiresAtMs: admittedMs + 900_000,
    version: 1,
  };
  const settled = await withStampedLease(context, sale, 5_000, async ({ text }) => {
    await db.transaction().execute(async (tx) => {
      await insertOrders(tx, [order]);
      await addSold(tx, sale.id, quantity);
    });
    return settle(context, sale, text, [order]);
  });
  expect(settled).toBe(true);
}

/** Everything that a buy or a seckill token of these shoppers could change, at one instant. */
export async function effectsOn(context: TestContext, sale: Sale, ...userIds: string[]): Promise<unknown> {
  const { state, owners, batches, batchTimes } = context.keys.sale(sale);
  const transaction = context.redis.multi().hgetall(state).hgetall(owners).hgetall(batches);
  transaction.zrange(batchTimes, 0, '-1', 'WITHSCORES');
  if (userIds.length > 0) for (const name of context.keys.seckillTokens(sale)) transaction.hmget(name, ...userIds);
  return (await transaction.exec())!.map(([, value]) => value);
}
