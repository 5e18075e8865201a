import type { Config } from '../config/config.ts';
import type { BatchMember, SpanAttributes, Tracing } from './tracing-types.ts';

/** Starts the traces of a process. If they are off, OpenTelemetry is not even loaded. */
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
