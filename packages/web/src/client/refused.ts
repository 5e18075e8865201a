import type { ErrorCode, Problem } from './types.ts';

/** The service has refused a call. `code` is stable: see docs/errors.md. */
export class Refused extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  /** How long to wait before the next try, if the service says so. */
  readonly retryAfterMs: number | undefined;
  /** The units that are left, if a buy has asked for more: buy at most that many. */
  readonly available: number | undefined;

  constructor(problem: Problem, retryAfterMs: number | undefined) {
    super(problem.detail ?? problem.title);
    this.name = 'Refused';
    this.code = problem.code;
    this.status = problem.status;
    this.retryAfterMs = retryAfterMs;
    this.available = problem.available;
  }
}

/** No answer of the service arrived: there is no network, or a proxy answered instead. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super('The service cannot be reached', { cause });
    this.name = 'Unreachable';
  }
}

/**
 * Whether the same call may succeed later without a change: the service is busy, or did not answer.
 * A repeated buy is safe, since it returns the same order.
 */
export function isTemporary(error: unknown): boolean {
  if (error instanceof Unreachable) return true;
  return error instanceof Refused && (error.status === 429 || error.status >= 500);
}
