import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ORDERS_QUEUE } from '@flash-sale/shared/admission/order-jobs.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';
import { startService, type Service } from '../../testing/service.ts';
import { Shoppers } from '../../testing/shoppers.ts';

/** A span as OTLP/JSON has it. */
interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly service: string;
  readonly attributes: Record<string, unknown>;
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
}
interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<Span, 'attributes'> & { attributes: Attribute[] })[];
    }[];
  }[];
}
interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}
const valuesOf = (attributes: readonly Attribute[]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

/** Everything that the processes exported, by a collector in this process's memory. */
const spans: Span[] = [];
const collector = createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8').on('data', (part: string) => (body += part));
  request.on('end', () => {
    for (const { resource, scopeSpans } of (JSON.parse(body) as Export).resourceSpans) {
      const service = String(valuesOf(resource.attributes)['service.name']);
      for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
        spans.push({ ...span, service, attributes: valuesOf(span.attributes) });
      }
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
});

let context: TestContext;
let service: Service;
let shoppers: Shoppers;

beforeAll(async () => {
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  context = await openTestContext();
  service = await startService(context, {
    apis: 1,
    workers: 1,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
      OTEL_BSP_SCHEDULE_DELAY: '50',
      // The trace context of the request decides; another one is not kept.
      OTEL_TRACES_SAMPLER: 'parentbased_always_off',
    },
  });
  shoppers = new Shoppers(service.url);
});

afterAll(async () => {
  shoppers.close();
  await service.stop();
  collector.close();
  await context.close();
});

const TRACES = ['a', 'b', 'c'].map((digit) => ({ traceId: digit.repeat(32), spanId: digit.repeat(16) }));
const inTrace = (traceId: string, name: string) =>
  spans.filter((span) => span.traceId === traceId && span.name === name);

async function buy(sale: number, user: string, trace?: { traceId: string; spanId: string }): Promise<string> {
  const token = await shoppers.token(sale, user);
  const headers: Record<string, string> =
    trace === undefined ? {} : { traceparent: `00-${trace.traceId}-${trace.spanId}-01` };
  const { body } = await shoppers.buy(sale, user, token, headers);
  return (JSON.parse(body) as { order_no: string }).order_no;
}

it('one trace leads from the buy through the job to the commit, across processes', async () => {
  const sale = await shoppers.openSale(10);
  const [trace] = TRACES;
  const orderNo = await buy(sale, 'ann', trace);
  expect(await shoppers.settled(orderNo)).toBe('pending_payment');

  const find = async (name: string, of: string): Promise<Span> => {
    await expect.poll(() => inTrace(trace!.traceId, name).map((span) => span.service)).toEqual([of]);
    return inTrace(trace!.traceId, name)[0]!;
  };
  const request = await find('POST /api/v1/seckill/buy', 'flash-sale-api');
  const admit = await find('admit', 'flash-sale-api');
  const add = await find('add orders.write_orders', 'flash-sale-api');
  const job = await find('process orders', 'flash-sale-worker');
  const commit = await find('commit', 'flash-sale-worker');
  expect(request.parentSpanId).toBe(trace!.spanId);
  expect(admit.parentSpanId).toBe(request.spanId);
  expect(add.parentSpanId).toBe(admit.spanId);
  expect(job.parentSpanId).toBe(add.spanId);
  expect(commit.parentSpanId).toBe(request.spanId);
  for (const span of [admit, commit]) expect(span.attributes).toMatchObject({ 'seckill.order_no': orderNo });
});

it('each buy of a micro-batch has its admission and its commit in its own trace; untraced buys leave no spans', async () => {
  const sale = await shoppers.openSale(10);
  const known = new Set(spans.map(({ traceId }) => traceId));
  const [, one, two] = TRACES;
  const orders = await Promise.all([buy(sale, 'ben', one), buy(sale, 'cem', two), buy(sale, 'dan')]);
  for (const orderNo of orders) expect(await shoppers.settled(orderNo)).toBe('pending_payment');

  for (const [i, trace] of [one, two].entries()) {
    for (const name of ['admit', 'commit']) {
      await expect
        .poll(() => inTrace(trace!.traceId, name).map((span) => span.attributes['seckill.order_no']))
        .toEqual([orders[i]]);
    }
  }
  const fresh = new Set(spans.map(({ traceId }) => traceId).filter((traceId) => !known.has(traceId)));
  expect(fresh).toEqual(new Set([one!.traceId, two!.traceId]));
});

it('an order whose job was lost and relayed is still committed in the trace of its buy', async () => {
  const sale = await shoppers.openSale(10);
  const trace = { traceId: 'd'.repeat(32), spanId: 'd'.repeat(16) };
  await service.workers[0]!.stop();
  const orderNo = await buy(sale, 'eve', trace);
  // The answer comes before the job is added.
  const prefix = context.keys.queuePrefix(0);
  await expect.poll(() => context.redis.llen(`${prefix}:${ORDERS_QUEUE}:wait`), { timeout: 10_000 }).toBe(1);
  await context.redis.del(...(await context.redis.keys(`${prefix}*`)));
  await service.addWorker();

  expect(await shoppers.settled(orderNo)).toBe('pending_payment');
  await expect.poll(() => inTrace(trace.traceId, 'commit').map(({ service: of }) => of)).toEqual(['flash-sale-worker']);
  expect(inTrace(trace.traceId, 'process orders')).toEqual([]);
});
