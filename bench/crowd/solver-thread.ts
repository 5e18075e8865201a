/* oxlint-disable unicorn/require-post-message-target-origin -- A thread, not a window. */
import { parentPort } from 'node:worker_threads';
import type { Challenge } from '@flash-sale/web/client';
import { solveChallenge } from '@flash-sale/web/client/proof-of-work';

/**
 * A thread that solves one challenge after the other. It answers undefined if there is no solution.
 */
parentPort!.on('message', (challenge: Challenge) => {
  void solveChallenge(challenge).then(
    (solution) => parentPort!.postMessage(solution),
    () => parentPort!.postMessage(undefined),
  );
});
