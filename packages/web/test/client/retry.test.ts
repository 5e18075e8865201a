import { describe, expect, test, vi } from 'vitest';
import { isTemporary, Refused, retrying, Unreachable, type ErrorCode } from '../../src/client/client.ts';
import { waitAfter } from '../../src/client/retry.ts';

const refused = (code: ErrorCode, status: number, retryAfterMs?: number): Refused =>
  new Refused({ type: '', title: code, status, code, request_id: '' }, retryAfterMs);

const TEMPORARY = [
  refused('rate_limited', 429, 1_000),
  refused('overloaded', 503, 1_000),
  refused('not_ready', 503, 1_000),
  refused('unavailable', 503, 1_000),
  refused('internal', 500),
  new Unreachable('no network'),
];
const FINAL = [
  refused('sold_out', 409),
  refused('ended', 409),
  refused('paused', 409),
  refused('token_invalid', 403),
  refused('forbidden', 403),
  refused('unauthenticated', 401),
  refused('not_found', 404),
];

describe('a call', () => {
  test.each(TEMPORARY)('that fails with "$message" is repeated until it succeeds', async (error) => {
    const call = vi
      .fn<() => Promise<string>>()
      .mockRejectedValueOnce(error)
      .mockRejectedValueOnce(error)
      .mockResolvedValue('done');
    const waits: number[] = [];
    const wait = async (ms: number): Promise<void> => void waits.push(ms);
    expect(await retrying(call, { wait })).toBe('done');
    expect(call).toHaveBeenCalledTimes(3);
    expect(waits).toHaveLength(2);
    expect(isTemporary(error)).toBe(true);
  });

  test.each(FINAL)('that fails with "$message" is not repeated', async (error) => {
    const call = vi.fn<() => Promise<string>>().mockRejectedValue(error);
    await expect(retrying(call)).rejects.toBe(error);
    expect(call).toHaveBeenCalledTimes(1);
  });

  test('is not repeated after it was stopped', async () => {
    const stopping = new AbortController();
    const call = vi.fn<() => Promise<string>>().mockRejectedValue(new Unreachable('no network'));
    const waiting = retrying(call, {
      signal: stopping.signal,
      onWait: () => stopping.abort(new Error('stopped')),
    });
    await expect(waiting).rejects.toThrow('stopped');
    expect(call).toHaveBeenCalledTimes(1);
  });
});

describe('the wait before the next try', () => {
  const many = (error: Error, tries: number) => Array.from({ length: 500 }, () => waitAfter(error, tries));

  test('is never shorter than Retry-After, and differs from shopper to shopper', () => {
    const waits = many(refused('rate_limited', 429, 3_000), 0);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(3_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(3_500);
    expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(250);
  });

  test('grows without a Retry-After, up to a bound', () => {
    const error = new Unreachable('no network');
    expect(Math.max(...many(error, 0))).toBeLessThan(Math.min(...many(error, 2)));
    expect(Math.max(...many(error, 20))).toBeLessThanOrEqual(12_000);
  });

  test('keeps a shopper below the bucket of 5 buys a second', () => {
    expect(Math.min(...many(new Unreachable('no network'), 0))).toBeGreaterThanOrEqual(200);
  });
});
