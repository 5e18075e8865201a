import { describe, expect, test } from 'vitest';
import { settingsAdvice } from '../../../src/platform/config/advice.ts';
import { ConfigError, ConfigSchema, loadConfig } from '../../../src/platform/config/config.ts';

const MOVED = [
  'DB_TLS_CA DB_TLS_KEY REDIS_TLS_CA REDIS_TLS_KEY REDIS_DB REDIS_USERNAME REDIS_SENTINEL_MASTER',
  'REDIS_SENTINEL_USERNAME REDIS_SENTINEL_PASSWORD JWT_ALGORITHM JWT_SUBJECT_CLAIM JWT_AUDIENCE_CLAIM',
  'JWT_CLOCK_TOLERANCE_SECONDS RATE_LIMIT_IP_CAPACITY RATE_LIMIT_IP_PER_SECOND DRAIN_MS SHUTDOWN_GRACE_MS',
].flatMap((names) => names.split(' '));
const DROPPED = [
  'TRACING REDIS_TLS_SERVER_NAME ADMISSION_BATCH_MAX ORDER_BATCH_MAX CONNECTIONS_MAX EVENTS_GIVE_UP_SECONDS',
  'ADMISSION_CALLS_MAX ADMISSION_WAITING_MAX SHARD_BACKLOG_MAX DB_WAITING_MAX POLL_WAITERS_MAX HEADER_BYTES_MAX',
  'HEADERS_TIMEOUT_MS CHALLENGE_RAISE_PER_SECOND OPERATOR_FAILURES_CAPACITY OPERATOR_FAILURES_PER_MINUTE',
  'EVENTS_CONCURRENCY EVENTS_TIMEOUT_MS METRICS_SALES_MAX AUDIT_INTERVAL_MS PRODUCT_CACHE_MS',
  'WORKER_STUCK_AFTER_SECONDS IDLE_TIMEOUT_MS REDIS_MEMORY_MAX_PERCENT REQUEST_TIMEOUT_MS',
].flatMap((names) => names.split(' '));

// 60; STOREFRONT: only an operator can know whether the shop has pages of its own; and the two of
// waiting rooms: they depend on how fast the shoppers of a shop are, and how many do not buy; and
// RATE_LIMIT_LEDGER: how often one account may call depends on the shop's own pages or gateway.
test('there are at most 64 settings, and each says when to change it', () => {
  const settings = Object.values(ConfigSchema) as unknown as readonly { readonly description: string }[];
  expect(settings.length).toBeLessThanOrEqual(64);
  const silent = settings.filter(
    ({ description }) => !/\b(?:set|raise|lower|turn it on|put|production)\b/i.test(description),
  );
  expect(silent).toEqual([]);
});

describe('a removed setting', () => {
  test.each(MOVED)('%s: the process does not start, and names the new setting in one line', (name) => {
    for (const variable of [name, `${name}_FILE`]) {
      const message = problemOf({ [variable]: 'hunter2' });
      expect(message.split('\n').slice(1)).toEqual([
        expect.stringMatching(new RegExp(`^  ${name} is not a setting any more: .*[A-Z]+_[A-Z]+`)),
      ]);
      expect(message).not.toContain('hunter2');
    }
  });

  test.each(DROPPED)('%s: the process starts, and reports the setting in one line', (name) => {
    expect(loadConfig({ [name]: '1' })).toEqual(loadConfig({}));
    const advice = settingsAdvice({ [name]: 'hunter2' });
    expect(advice).toEqual([expect.stringMatching(new RegExp(`^${name} is not a setting any more: .+`))]);
    expect(advice.join()).not.toContain('hunter2');
  });

  test('is ignored if it is empty', () => {
    const empty = Object.fromEntries([...MOVED, ...DROPPED].map((name) => [name, '']));
    expect(loadConfig(empty)).toEqual(loadConfig({}));
    expect(settingsAdvice(empty)).toEqual([]);
  });

  test('has a name that no setting uses now', () => {
    expect([...MOVED, ...DROPPED].filter((name) => Object.hasOwn(ConfigSchema, name))).toEqual([]);
  });
});

function problemOf(env: Readonly<Record<string, string>>): string {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('accepted');
}
