import { dbFault } from '@flash-sale/shared/platform/mysql/errors.ts';
import { redisFault } from '@flash-sale/shared/platform/redis/errors.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';

const LOG_INTERVAL_MS = 60_000;

/**
 * Logs faults that only an operator can fix on a server: once a minute, not with each failed call.
 */
export class FaultLog {
  readonly #loggedMs = new Map<string, number>();

  /** Logs the error if it is such a fault, and returns whether it is. */
  report(log: Pick<Logger, 'error'>, error: unknown): boolean {
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
