import { isDbOutage, isLockTaken, isRolledBack } from '@flash-sale/shared/platform/mysql/errors.ts';
import { codeOfRedisError } from '@flash-sale/shared/platform/redis/errors.ts';

/** Whether a server was not reached, or does not work. A row that somebody else has locked is no reason to think so. */
export function isOutage(error: unknown): boolean {
  if (codeOfRedisError(error) !== undefined) return true;
  return isDbOutage(error) && !isRolledBack(error) && !isLockTaken(error);
}

/**
 * What kept a round from some of its work, which keeps none of the rest waiting. It may be this process alone that does not reach a server: a round
 * that met an outage fails when it is done, so that the process gives up its lead.
 */
export class Failures {
  #outages = 0;
  #first: unknown;

  note(error: unknown): void {
    if (!isOutage(error)) return;
    this.#first ??= error;
    this.#outages += 1;
  }

  /** How often a server was not reached. */
  get outages(): number {
    return this.#outages;
  }

  /** @throws the first outage */
  endRound(): void {
    if (this.#outages > 0) throw this.#first;
  }
}
