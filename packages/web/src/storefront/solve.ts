import type { Challenge } from '../client/types.ts';

/**
 * Solves a proof of work in a worker, so that the page stays quick. Ends the worker when aborted.
 */
export function solveInWorker(challenge: Challenge, signal?: AbortSignal): Promise<string> {
  // Loaded only if a service asks for a proof of work.
  const worker = new Worker(new URL('./solver-worker.ts', import.meta.url), { type: 'module' });
  return new Promise<string>((resolve, reject) => {
    worker.addEventListener('message', ({ data }: MessageEvent<SolverAnswer>) => {
      if (data.solution === undefined) reject(new Error(data.problem));
      else resolve(data.solution);
    });
    worker.addEventListener('error', ({ message }) => reject(new Error(message)));
    signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    // A worker has no other origin.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    worker.postMessage(challenge);
  }).finally(() => worker.terminate());
}

export interface SolverAnswer {
  readonly solution?: string;
  readonly problem?: string;
}
