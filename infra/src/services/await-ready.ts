import { setTimeout as pause } from 'node:timers/promises';
import { lastLines, type LaunchedProcess } from './launch.ts';
import { reasonOf, StartFailure } from './start-failure.ts';

interface Limits {
  limitMs: number;
  signal?: AbortSignal | undefined;
}

/**
 * Resolves when `answers` does. A server does not report when it begins to listen, so this asks
 * until it answers or `ended` resolves. After its time it rejects with the last reason.
 */
export async function awaitAnswer(
  answers: () => Promise<unknown>,
  options: Limits & { ended?: Promise<unknown> },
): Promise<void> {
  const { limitMs, signal, ended } = options;
  const giveUpAt = performance.now() + limitMs;
  let hasEnded = false;
  void ended?.then(() => (hasEnded = true));
  for (;;) {
    signal?.throwIfAborted();
    try {
      await answers();
      return;
    } catch (error) {
      const waitedS = limitMs / 1000;
      if (hasEnded) throw error;
      if (performance.now() > giveUpAt) {
        throw new StartFailure(`no answer within ${waitedS} s: ${reasonOf(error)}`);
      }
    }
    await Promise.race([pause(25), ...(ended ? [ended] : [])]);
  }
}

/**
 * Like `awaitAnswer`, for a launched process. If it fails, the process is ended and the end of its
 * log shown.
 */
export async function awaitReady(
  launched: LaunchedProcess,
  answers: () => Promise<unknown>,
  limits: Limits,
): Promise<void> {
  try {
    await awaitAnswer(answers, { ...limits, ended: launched.exited });
  } catch (error) {
    const what = launched.hasExited ? await launched.exited : undefined;
    await launched.stop();
    limits.signal?.throwIfAborted();
    const how = what
      ? `ended (${what.signal ?? `exit code ${what.code}`}) before it was ready`
      : `did not get ready: ${reasonOf(error)}`;
    throw new StartFailure(`${launched.name} ${how}. The end of ${launched.logFile}:\n${lastLines(launched.logFile)}`);
  }
}
