import { dbFault } from '../mysql/errors.ts';
import { redisFault } from '../redis/errors.ts';
import type { Logger } from './logger.ts';

const LOG_INTERVAL_MS = 60_000;

/** Tells operators what only they can mend on a server, once a minute and not with each call that fails. */
export class FaultLog {
  readonly #loggedMs = new Map<string, number>();

  /** Returns whether the error is such a fault. */
  tell(log: Pick<Logger, 'error'>, error: unknown): boolean {
    const fault = redisFault(error) ?? dbFault(error);
    if (fault === undefined) return false;
    const nowMs = performance.now();
    if (nowMs - (this.#loggedMs.get(fault) ?? Number.NEGATIVE_INFINITY) >= LOG_INTERVAL_MS) {
      this.#loggedMs.set(fault, nowMs);
      log.error({ err: error, fault }, 'a server has a fault that an operator must fix');
    }
    return true;
  }
}
