import { setTimeout as pause } from 'node:timers/promises';
import { codeOf } from './checker/view.ts';
import type { Call, History } from './history.ts';
import type { RedisReader } from './redis-reader.ts';

const LOOK_MS = 25;
const FINAL_REFUSALS = new Set(['sold_out', 'ended', 'paused']);

/**
 * Milliseconds from a heal until the service has recovered: a buy sent after the heal was accepted
 * or correctly refused, and no reservation from before the heal is left. Null if that takes longer
 * than `limit_ms`.
 */
export async function recoveryOf(options: {
  readonly history: History;
  readonly redis: RedisReader;
  readonly sale: number;
  readonly healed_ms: number;
  readonly limit_ms: number;
}): Promise<number | null> {
  const { history, redis, sale, healed_ms, limit_ms } = options;
  let answered_ms: number | undefined;
  let moved_ms: number | undefined;
  let seen = 0;
  while (Date.now() - healed_ms < limit_ms) {
    for (; seen < history.calls.length && answered_ms === undefined; seen += 1) {
      const call = history.calls[seen]!;
      if (call.sale === sale && call.sent_ms >= healed_ms && isDecided(call)) answered_ms = call.answered_ms;
    }
    if (moved_ms === undefined && !(await hasOldReservations(redis, sale, healed_ms))) moved_ms = Date.now();
    if (answered_ms !== undefined && moved_ms !== undefined) return Math.max(answered_ms, moved_ms) - healed_ms;
    await pause(LOOK_MS);
  }
  return null;
}

const isDecided = (call: Call): boolean =>
  call.kind === 'buy' && (call.status === 202 || FINAL_REFUSALS.has(codeOf(call)));

/** Also true if Redis does not answer. */
async function hasOldReservations(redis: RedisReader, sale: number, before_ms: number): Promise<boolean> {
  try {
    const oldest_ms = await redis.oldestReservation_ms(sale);
    return oldest_ms !== undefined && oldest_ms < before_ms;
  } catch {
    return true;
  }
}
