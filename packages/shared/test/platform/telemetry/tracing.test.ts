import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { SpanKind } from 'bullmq';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { openTelemetry, traceparentOf } from '../../../src/platform/telemetry/open-telemetry.ts';
import { inBatchSpan, startTracing } from '../../../src/platform/telemetry/tracing.ts';

const exporter = new InMemorySpanExporter();
const tracing = openTelemetry('api', new SimpleSpanProcessor(exporter));
const tracer = trace.getTracer('test');
beforeEach(() => exporter.reset());
afterAll(() => tracing.stop());

/** A buy with a trace of its own. */
function tracedBuy(orderNo: string) {
  const span = tracer.startSpan('buy', {}, ROOT_CONTEXT);
  return { orderNo, traceparent: traceparentOf(span), at: span.spanContext() };
}
const spans = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name);

describe('the span of a micro-batch', () => {
  test('is in the trace of its first traced member, with everything that the work starts', async () => {
    const buy = tracedBuy('order-1');
    await tracing.batch('admit', [{ orderNo: 'order-0' }, buy], { 'seckill.sale': 7 }, async () => {
      tracer.startSpan('inner').end();
    });
    const [admit] = spans('admit');
    expect(admit!.spanContext().traceId).toBe(buy.at.traceId);
    expect(admit!.parentSpanContext?.spanId).toBe(buy.at.spanId);
    expect(admit!.attributes).toEqual({ 'seckill.sale': 7, 'seckill.batch_size': 2, 'seckill.order_no': 'order-1' });
    expect(spans('inner')[0]!.parentSpanContext?.spanId).toBe(admit!.spanContext().spanId);
  });

  test('has a twin in the trace of every other traced member, with links in both directions', async () => {
    const [one, two, three] = ['order-1', 'order-2', 'order-3'].map(tracedBuy);
    await tracing.batch('commit', [one!, two!, { orderNo: 'untraced' }, three!], {}, async () => undefined);
    const of = (buy: typeof one) => spans('commit').find((span) => span.spanContext().traceId === buy!.at.traceId)!;
    expect(spans('commit')).toHaveLength(3);
    expect(of(one).links.map(({ context: { spanId } }) => spanId)).toEqual([two!.at.spanId, three!.at.spanId]);
    for (const [buy, orderNo] of [
      [two, 'order-2'],
      [three, 'order-3'],
    ] as const) {
      expect(of(buy).parentSpanContext?.spanId).toBe(buy!.at.spanId);
      expect(of(buy).links.map(({ context: { spanId } }) => spanId)).toEqual([of(one).spanContext().spanId]);
      expect(of(buy).attributes['seckill.order_no']).toBe(orderNo);
      expect([of(buy).startTime, of(buy).endTime]).toEqual([of(one).startTime, of(one).endTime]);
    }
  });

  test('does not exist without a traced member, and is never part of another request’s trace', async () => {
    const stranger = tracer.startSpan('stranger', {}, ROOT_CONTEXT);
    await context.with(trace.setSpan(ROOT_CONTEXT, stranger), () =>
      tracing.batch('admit', [{ orderNo: 'order-1' }], {}, async () => {
        expect(trace.getSpan(context.active())).toBeUndefined();
      }),
    );
    expect(spans('admit')).toEqual([]);
  });

  test.each(['', 'nonsense', `00-${'0'.repeat(31)}-${'1'.repeat(16)}-01`, `00-${'a'.repeat(32)}-${'1'.repeat(16)}-00`])(
    'ignores an invalid trace context, and a trace that is not kept: "%s"',
    async (traceparent) => {
      expect(await tracing.batch('admit', [{ orderNo: 'order-1', traceparent }], {}, async () => 'done')).toBe('done');
      expect(spans('admit')).toEqual([]);
    },
  );

  test('records the error of the work in every trace, and throws it', async () => {
    const buys = ['order-1', 'order-2'].map(tracedBuy);
    const failing = tracing.batch('commit', buys, {}, () => Promise.reject(new Error('MySQL is away')));
    await expect(failing).rejects.toThrow('MySQL is away');
    for (const span of spans('commit')) {
      expect(span.status.code).toBe(2);
      expect(span.events[0]!.attributes!['exception.message']).toBe('MySQL is away');
    }
    expect(spans('commit')).toHaveLength(2);
  });
});

test('BullMQ has spans within traces only; otherwise each poll of a queue would be a trace', () => {
  tracing.bullmq.tracer.startSpan('getNextJob', { kind: SpanKind.INTERNAL }, ROOT_CONTEXT).end();
  expect(exporter.getFinishedSpans()).toEqual([]);
  const buy = tracer.startSpan('buy', {}, ROOT_CONTEXT);
  tracing.bullmq.tracer.startSpan('add', { kind: SpanKind.PRODUCER }, trace.setSpan(ROOT_CONTEXT, buy)).end();
  expect(spans('add')[0]!.parentSpanContext?.spanId).toBe(buy.spanContext().spanId);
});

describe('if traces are off', () => {
  test('there are no spans, and the work is done', async () => {
    expect(await startTracing({ TRACING: false }, 'api')).toBeUndefined();
    expect(await inBatchSpan(undefined, 'admit', [tracedBuy('order-1')], {}, async () => 'done')).toBe('done');
    expect(spans('admit')).toEqual([]);
  });

  test.each(['api/src/app.ts', 'worker/src/services/order-consumers.ts'])(
    '%s loads nothing of OpenTelemetry, and none of its plugins for Fastify and BullMQ',
    async (module) => {
      const path = join(import.meta.dirname, '../../../..', module);
      const program = `
        import { createRequire } from 'node:module';
        await import(${JSON.stringify(path)});
        const { startTracing } = await import(${JSON.stringify(join(import.meta.dirname, '../../../src/platform/telemetry/tracing.ts'))});
        await startTracing({ TRACING: process.argv[1] === 'on' }, 'api');
        const loaded = Object.keys(createRequire(import.meta.url).cache);
        console.log(loaded.filter((file) => /opentelemetry|bullmq-otel|fastify.otel/.test(file)).length);
        process.exit(0);`;
      const loaded = async (state: string): Promise<number> => {
        const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program, state]);
        return Number((await run).stdout);
      };
      expect(await loaded('off')).toBe(0);
      expect(await loaded('on')).toBeGreaterThan(0);
    },
    // Two programs one after the other, on a machine that may be busy.
    90_000,
  );
});
