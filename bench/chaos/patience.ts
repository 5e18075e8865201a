import { setTimeout as pause } from 'node:timers/promises';
import type { Call } from './history.ts';
import type { Random } from './random.ts';

/** How often a call is made before its caller gives up. */
export const TRIES_MAX = 25;
const RETRY_MS_MAX = 1_000;

/** Decides how long a shopper waits. */
export interface Patience {
  readonly random: Random;
  /** Aborted when the shop closes: all shoppers leave after their present call. */
  readonly closing: AbortSignal;
}

/** Waits before the next attempt. Returns false if the answer is final or the shop closes. */
export async function retryLater(answer: Call, { random, closing }: Patience): Promise<boolean> {
  const isOpen = answer.status === null || answer.status === 503 || answer.status === 429;
  if (!isOpen || closing.aborted) return false;
  const askedMs = answer.retry_after === null ? RETRY_MS_MAX / 4 : Number(answer.retry_after) * 1_000;
  await unlessClosing(Math.min(RETRY_MS_MAX, askedMs) * (0.3 + 0.7 * random.next()), closing);
  return !closing.aborted;
}

/** Waits, but not longer than the shop is open. */
export async function unlessClosing(waitMs: number, closing: AbortSignal): Promise<void> {
  await pause(waitMs, undefined, { signal: closing }).catch(() => undefined);
}
