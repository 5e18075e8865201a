import {
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Span,
  type SpanContext,
} from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider, type SpanProcessor } from '@opentelemetry/sdk-trace-node';
import { BullMQOtel } from 'bullmq-otel';
import type { BatchMember, Tracing } from './tracing-types.ts';

const STOP_MS_MAX = 1_000;

/**
 * Starts OpenTelemetry in this process: the standard `OTEL_*` variables set exporter, sampler,
 * batching and resource. Only `tracing.ts` loads this file.
 *
 * @param processor receives the spans; an OTLP collector by default
 */
export function openTelemetry(
  name: 'api' | 'worker',
  processor: SpanProcessor = new BatchSpanProcessor(new OTLPTraceExporter()),
): Tracing {
  const resource = defaultResource()
    .merge(resourceFromAttributes({ 'service.name': `flash-sale-${name}` }))
    .merge(detectResources({ detectors: [envDetector] }));
  const provider = new NodeTracerProvider({ resource, spanProcessors: [processor] });
  provider.register();
  const tracer = trace.getTracer('flash-sale');

  return {
    bullmq: onlyWithinTraces(new BullMQOtel()),

    async batch(spanName, members, attributes, work) {
      const [first, ...others] = members.flatMap(tracedOf);
      // The present context belongs to another request.
      if (first === undefined) return context.with(ROOT_CONTEXT, work);
      const startTime = Date.now();
      const startSpan = (member: TracedMember, linked: readonly SpanContext[]): Span => {
        const of = { 'seckill.batch_size': members.length, 'seckill.order_no': member.orderNo };
        const links = linked.map((to) => ({ context: to }));
        return tracer.startSpan(spanName, { startTime, attributes: { ...attributes, ...of }, links }, member.context);
      };
      const span = startSpan(
        first,
        others.map(({ spanContext }) => spanContext),
      );
      let error: unknown;
      try {
        return await context.with(trace.setSpan(first.context, span), work);
      } catch (thrown) {
        error = thrown;
        throw thrown;
      } finally {
        const end = Date.now();
        for (const other of others) endAt(startSpan(other, [span.spanContext()]), end, error);
        endAt(span, end, error);
      }
    },

    async stop() {
      const timeout = AbortSignal.timeout(STOP_MS_MAX);
      const late = new Promise<void>((resolve) => timeout.addEventListener('abort', () => resolve()));
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
    },
  };
}

/** The trace context of a span, as text; undefined if its trace is not sampled. */
export function traceparentOf(span: Span | null | undefined): string | undefined {
  const at = span?.spanContext();
  if (at === undefined || !isSpanContextValid(at) || (at.traceFlags & TraceFlags.SAMPLED) === 0) return undefined;
  return `00-${at.traceId}-${at.spanId}-01`;
}

interface TracedMember {
  readonly orderNo: string;
  readonly spanContext: SpanContext;
  readonly context: Context;
}

function tracedOf({ orderNo, traceparent }: BatchMember): TracedMember[] {
  const [, traceId, spanId] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined) return [];
  const spanContext: SpanContext = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
  return [{ orderNo, spanContext, context: trace.setSpanContext(ROOT_CONTEXT, spanContext) }];
}

function endAt(span: Span, timeMs: number, error: unknown): void {
  if (error !== undefined) {
    span.recordException(error as Error);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end(timeMs);
}

/** BullMQ also creates a span for every poll of the queue. Each would be a trace of its own. */
function onlyWithinTraces({ tracer, contextManager }: BullMQOtel): Tracing['bullmq'] {
  return {
    contextManager,
    tracer: {
      startSpan(name, options, parent: Context = context.active()) {
        const isTraced = traceparentOf(trace.getSpan(parent)) !== undefined;
        return tracer.startSpan(name, options, isTraced ? parent : suppressTracing(parent));
      },
    },
  };
}
