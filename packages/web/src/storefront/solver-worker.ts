import { solveChallenge } from '../client/proof-of-work.ts';
import type { Challenge } from '../client/types.ts';
import type { SolverAnswer } from './solve.ts';

/** A worker that solves one challenge. */
globalThis.addEventListener('message', ({ data }: MessageEvent<Challenge>) => {
  // A worker has one page only.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  const answer = (message: SolverAnswer): void => globalThis.postMessage(message);
  solveChallenge(data).then(
    (solution) => answer({ solution }),
    (error: unknown) => answer({ problem: String(error) }),
  );
});
