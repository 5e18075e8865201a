import { setTimeout as pause } from 'node:timers/promises';
import type { Answer } from './client.ts';

export interface OpenLoop {
  readonly perSecond: number;
  readonly count: number;
  /** Sends the request of this index. */
  readonly send: (index: number) => Promise<Answer>;
  readonly onAnswer?: (index: number, answer: Answer) => void;
}

export interface OpenLoopResult {
  /** From the time at which each request was due until its answer. */
  readonly latenciesMs: Float64Array;
  readonly answers: readonly number[];
  /** Requests per second as they were actually sent. */
  readonly sentPerSecond: number;
}

/**
 * Sends requests at a fixed rate, whether or not earlier ones were answered, like shoppers. A
 * latency counts from the time at which the request was due, so that a stall counts for every
 * request that was due during it (no coordinated omission; Gil Tene, "How NOT to Measure Latency").
 */
export async function openLoop({ perSecond, count, send, onAnswer }: OpenLoop): Promise<OpenLoopResult> {
  const latenciesMs = new Float64Array(count);
  const answers: number[] = Array.from({ length: count }, () => 0);
  const underWay: Promise<void>[] = [];
  const begunMs = performance.now();
  const dueMs = (index: number): number => begunMs + (index * 1_000) / perSecond;

  const go = async (index: number): Promise<void> => {
    const answer = await send(index);
    latenciesMs[index] = performance.now() - dueMs(index);
    answers[index] = answer.status;
    onAnswer?.(index, answer);
  };
  for (let next = 0; next < count;) {
    const nowMs = performance.now();
    while (next < count && dueMs(next) <= nowMs) {
      underWay.push(go(next));
      next += 1;
    }
    await pause(1);
  }
  const sentPerSecond = (count * 1_000) / (performance.now() - begunMs);
  await Promise.all(underWay);
  return { latenciesMs, answers, sentPerSecond };
}
