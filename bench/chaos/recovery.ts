import { setTimeout as pause } from 'node:timers/promises';
import { codeOf } from './checker/view.ts';
import type { Call, History } from './history.ts';
import type { RedisReader } from './redis-reader.ts';

const LOOK_MS = 25;
const FINAL_REFUSALS = new Set(['sold_out', 'ended', 'paused']);

/**
 * Milliseconds from a heal until the service has recovered: a buy sent after the heal was accepted
 * or correctly refused, and no reservation from before the heal is left. Null if that takes longer
 * than `limitMs`.
 */
export async function recoveryOf(options: {
  readonly history: History;
  readonly redis: RedisReader;
  readonly sale: number;
  readonly healed_ms: number;
  readonly limit_ms: number;
}): Promise<number | null> {
  const { history, redis, sale, healed_ms: healedMs, limit_ms: limitMs } = options;
  let answeredMs: number | undefined;
  let movedMs: number | undefined;
  let seen = 0;
  while (Date.now() - healedMs < limitMs) {
    for (; seen < history.calls.length && answeredMs === undefined; seen += 1) {
      const call = history.calls[seen]!;
      if (call.sale === sale && call.sent_ms >= healedMs && isDecided(call)) answeredMs = call.answered_ms;
    }
    if (movedMs === undefined && !(await hasOldReservations(redis, sale, healedMs))) movedMs = Date.now();
    if (answeredMs !== undefined && movedMs !== undefined) return Math.max(answeredMs, movedMs) - healedMs;
    await pause(LOOK_MS);
  }
  return null;
}

const isDecided = (call: Call): boolean =>
  call.kind === 'buy' && (call.status === 202 || FINAL_REFUSALS.has(codeOf(call)));

/** Also true if Redis does not answer. */
async function hasOldReservations(redis: RedisReader, sale: number, beforeMs: number): Promise<boolean> {
  try {
    const oldestMs = await redis.oldestBatchMs(sale);
    return oldestMs !== undefined && oldestMs < beforeMs;
  } catch {
    return true;
  }
}
