import type { Telemetry } from 'bullmq';
import type { Config } from '../config/config.ts';

/** One of several that are done together, with the span of whoever asked for it where that is traced. */
export interface BatchMember {
  readonly order_no: string;
  /** W3C trace context (https://www.w3.org/TR/trace-context/#traceparent-header), of a sampled trace. */
  readonly traceparent?: string | undefined;
}

export type SpanAttributes = Readonly<Record<string, string | number>>;

/** Traces of this process. */
export interface Tracing {
  /** For BullMQ's queues and workers: a job's span belongs to the trace of whoever added it, and is left out where there is none. */
  readonly bullmq: Telemetry;
  /**
   * Runs the work of a micro-batch in a span. One span cannot be in many traces: it is in that of the first traced member, so that what the
   * work starts is there as well; every other traced member gets a span of the same name and time in its own trace, linked to it.
   */
  batch<Result>(
    name: string,
    members: readonly BatchMember[],
    attributes: SpanAttributes,
    work: () => Promise<Result>,
  ): Promise<Result>;
  /** Sends what is not sent yet. Never rejects. */
  stop(): Promise<void>;
}

/** Starts the traces of a process, or nothing where they are off: then nothing of OpenTelemetry is even loaded. */
export async function startTracing(
  { TRACING }: Pick<Config, 'TRACING'>,
  name: 'api' | 'worker',
): Promise<Tracing | undefined> {
  if (!TRACING) return undefined;
  const { openTelemetry } = await import('./open-telemetry.ts');
  return openTelemetry(name);
}

/** @see Tracing.batch */
export function inBatchSpan<Result>(
  tracing: Tracing | undefined,
  name: string,
  members: readonly BatchMember[],
  attributes: SpanAttributes,
  work: () => Promise<Result>,
): Promise<Result> {
  return tracing === undefined ? work() : tracing.batch(name, members, attributes, work);
}
