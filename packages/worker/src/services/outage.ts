import { isDbOutage, isLockTaken, isRolledBack } from '@flash-sale/shared/platform/mysql/errors.ts';
import { codeOfRedisError } from '@flash-sale/shared/platform/redis/errors.ts';

/**
 * Whether a server was not reached, or does not work. A row that somebody else has locked is no
 * reason to think so.
 */
export function isOutage(error: unknown): boolean {
  if (codeOfRedisError(error) !== undefined) return true;
  return isDbOutage(error) && !isRolledBack(error) && !isLockTaken(error);
}

/**
 * Collects the outages that kept a round from a part of its work, while the rest goes on. This
 * process may be the only one that does not reach a server: a round that met an outage fails at its
 * end, so that the process gives up its lead.
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

/** How long nobody outside may answer a process before another process tries. */
const SILENCE_MS_MAX = 30_000;

/**
 * Whether somebody outside the service, such as the payment provider, answers this process at all.
 * If not, it may be this process alone that is cut off: the round fails, so that another process
 * takes the lead. That takes a while, since usually nobody is answered then.
 */
export class Silence {
  readonly #maxMs: number;
  #sinceMs: number | undefined;
  #reason: unknown;

  constructor(maxMs = SILENCE_MS_MAX) {
    this.#maxMs = maxMs;
  }

  answered(): void {
    this.#sinceMs = undefined;
  }

  unanswered(reason: unknown): void {
    this.#sinceMs ??= performance.now();
    this.#reason = reason;
  }

  /** @throws the last failure if there was no answer for too long */
  endRound(): void {
    if (this.#sinceMs === undefined || performance.now() - this.#sinceMs < this.#maxMs) return;
    this.#sinceMs = undefined;
    throw this.#reason;
  }
}
