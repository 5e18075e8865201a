import { setTimeout as delay } from 'node:timers/promises';
import { isDbOutage } from '../mysql/errors.ts';
import { pingRedis, type RedisClient } from '../redis/client.ts';
import type { Logger } from '../telemetry/logger.ts';
import { isRefusal } from './server-fault.ts';

/** Pauses between the attempts: each is twice the one before, up to a maximum. */
const FIRST_PAUSE_MS = 50;
const PAUSE_MS_MAX = 1_000;
/** How often the log repeats that the process waits, and why. */
const REMINDER_MS = 10_000;

type Log = Pick<Logger, 'warn'>;

/**
 * Makes a call that the start of a process cannot do without, again and again while MySQL is away
 * or read-only.
 *
 * @throws the error of the call if no wait helps: MySQL refuses the process, or the call is wrong
 */
export function untilMysqlServes<Result>(log: Log, call: () => Promise<Result>): Promise<Result> {
  return repeat('MySQL', log, call, (error) => isDbOutage(error) && !isRefusal(error));
}

/**
 * Resolves when Redis answers on this connection.
 *
 * @throws the refusal, if Redis refuses the process
 */
export async function untilRedisAnswers(redis: RedisClient, log: Log): Promise<void> {
  let refusal: unknown;
  // A call may fail only because there is no connection. The reason for that is in the event.
  const noteRefusal = (error: Error & { readonly lastNodeError?: unknown }): void => {
    refusal ??= [error, error.lastNodeError].find(isRefusal);
  };
  redis.on('error', noteRefusal);
  const ping = () =>
    pingRedis(redis).catch((error: unknown) => {
      throw refusal ?? error;
    });
  try {
    await repeat('Redis', log, ping, (error) => !isRefusal(error));
  } finally {
    redis.off('error', noteRefusal);
  }
}

async function repeat<Result>(
  server: 'MySQL' | 'Redis',
  log: Log,
  call: () => Promise<Result>,
  mayPass: (error: unknown) => boolean,
): Promise<Result> {
  let toldMs = -Infinity;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX)) {
    try {
      return await call();
    } catch (error) {
      if (!mayPass(error)) throw error;
      if (performance.now() - toldMs > REMINDER_MS) {
        toldMs = performance.now();
        log.warn({ err: error }, `waiting for ${server}`);
      }
    }
    await delay(pauseMs);
  }
}
