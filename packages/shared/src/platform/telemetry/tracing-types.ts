import type { Telemetry } from 'bullmq';

/** One member of a batch, with the trace context of its request if that is traced. */
export interface BatchMember {
  readonly orderNo: string;
  /**
   * W3C trace context (https://www.w3.org/TR/trace-context/#traceparent-header) of a sampled trace.
   */
  readonly traceparent?: string | undefined;
}

export type SpanAttributes = Readonly<Record<string, string | number>>;

/** Traces of this process. */
export interface Tracing {
  /**
   * For BullMQ's queues and workers: a job's span belongs to the trace of the request that added
   * it. Without such a trace there is no span.
   */
  readonly bullmq: Telemetry;
  /**
   * Runs the work of a micro-batch in a span. One span cannot be in several traces: it is in the
   * trace of the first traced member, with everything that the work starts. Every other traced
   * member gets a span with the same name and time in its own trace, linked to it.
   */
  batch<Result>(
    name: string,
    members: readonly BatchMember[],
    attributes: SpanAttributes,
    work: () => Promise<Result>,
  ): Promise<Result>;
  /** Sends the remaining spans. Never rejects. */
  stop(): Promise<void>;
}
