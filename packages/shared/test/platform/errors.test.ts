import { describe, expect, test } from 'vitest';
import { ERRORS, Refusal, type ErrorCode } from '../../src/platform/errors.ts';

/**
 * The contract's table, code by code. A client may rely on each line, so a change here is a
 * breaking one.
 */
const CONTRACT = {
  invalid_request: 400,
  unauthenticated: 401,
  token_invalid: 403,
  forbidden: 403,
  challenge_required: 403,
  not_found: 404,
  not_called: 403,
  ticket_invalid: 403,
  method_not_allowed: 405,
  not_started: 409,
  ended: 409,
  paused: 409,
  sold_out: 409,
  tokens_exhausted: 409,
  invalid_state: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  overloaded: 503,
  not_ready: 503,
  unavailable: 503,
  internal: 500,
};
const CODES = Object.keys(CONTRACT) as ErrorCode[];

describe('the error table', () => {
  test('has exactly the codes and statuses of the contract', () => {
    expect(Object.fromEntries(Object.entries(ERRORS).map(([code, { status }]) => [code, status]))).toEqual(CONTRACT);
  });

  test.each(CODES)('says for %s what happened and what to do next', (code) => {
    expect(ERRORS[code].title).not.toBe('');
    expect(ERRORS[code].advice).toMatch(/\.$/);
  });
});

describe('a refusal', () => {
  test.each(CODES)('%s has its status, and a retry time if its status requires one', (code) => {
    const refusal = new Refusal(code);
    expect(refusal).toMatchObject({
      code,
      status: CONTRACT[code],
      message: ERRORS[code].title,
    });
    expect(refusal.retryAfterS).toBe(refusal.status === 429 || refusal.status === 503 ? 1 : undefined);
    expect(refusal.headers).toEqual({});
  });

  test('keeps the options of its thrower, and does not show its cause in the detail', () => {
    const cause = new Error('ER_SECRET');
    const refusal = new Refusal('overloaded', { detail: 'Try later.', retryAfterS: 7, headers: { a: 'b' }, cause });
    expect(refusal).toMatchObject({
      detail: 'Try later.',
      message: 'Try later.',
      retryAfterS: 7,
      headers: { a: 'b' },
    });
    expect(refusal.cause).toBe(cause);
  });
});
