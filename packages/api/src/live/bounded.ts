import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks a server that may hang: at most one question is open, and nobody waits longer than
 * `limitMs`. The answer is undefined if the server does not answer in time or `isAway` says that
 * the error means that.
 */
export function bounded<Answer>(
  ask: () => Promise<Answer>,
  { limitMs, isAway }: { readonly limitMs: number; readonly isAway: (error: unknown) => boolean },
): () => Promise<Answer | undefined> {
  let open: Promise<Answer | undefined> | undefined;
  return async () => {
    open ??= ask()
      .catch((error: unknown) => {
        if (isAway(error)) return undefined;
        throw error;
      })
      .finally(() => {
        open = undefined;
      });
    const late = new AbortController();
    const limit = delay(limitMs, undefined, { signal: late.signal, ref: false }).catch(() => undefined);
    try {
      return await Promise.race([open, limit]);
    } finally {
      late.abort();
    }
  };
}
