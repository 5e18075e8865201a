import { pause } from './pause.ts';
import { isTemporary, Refused } from './refused.ts';

/**
 * The first wait after a try that failed without a `Retry-After`. Each further wait is twice as
 * long.
 */
const FIRST_WAIT_MS = 500;
const WAIT_MS_MAX = 8_000;

export interface RetryOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called before each wait. */
  readonly onWait?: ((error: Error, waitMs: number) => void) | undefined;
  /** Waits between two tries. A page may end a wait early, when the network is back. */
  readonly wait?: ((ms: number, signal: AbortSignal | undefined) => Promise<void>) | undefined;
}

/**
 * Repeats a call until it succeeds, or fails in a way that a repetition does not change. It waits
 * as long as `Retry-After` says, and a random time more, so that a crowd does not come back at
 * once.
 */
export async function retrying<Result>(
  call: () => Promise<Result>,
  { signal, onWait, wait = pause }: RetryOptions = {},
): Promise<Result> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      if (signal?.aborted === true || !isTemporary(error)) throw error;
      const waitMs = waitAfter(error as Error, tries);
      onWait?.(error as Error, waitMs);
      await wait(waitMs, signal);
    }
  }
}

/** How long to wait after the given number of earlier tries. */
export function waitAfter(error: Error, tries: number): number {
  const backoffMs = Math.min(WAIT_MS_MAX, FIRST_WAIT_MS * 2 ** tries);
  const askedMs = error instanceof Refused ? error.retryAfterMs : undefined;
  return (askedMs ?? backoffMs / 2) + Math.random() * backoffMs;
}
