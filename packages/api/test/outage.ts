import type { LightMyRequestResponse as Response } from 'fastify';

/**
 * The contract promises an answer within 1 s. The tests set a shorter timeout, so that a busy
 * machine has some time to spare.
 */
export const REDIS_TIMEOUT_MS = 500;
export const ANSWER_MS_MAX = 900;
/**
 * Time until a Redis that hung answers again: a connection that was silent for seconds is replaced.
 */
export const ANSWERED = { timeout: 15_000, interval: 20 };
export const PRODUCT = {
  name: 'Lamp',
  price: 19.99,
  stock: 100,
  seckill_stock: 5,
  start_time: '2026-01-01T00:00:00Z',
  end_time: '2099-12-31T00:00:00Z',
};

export async function timed(call: Promise<Response>): Promise<{ answer: Response; tookMs: number }> {
  const askedMs = performance.now();
  const answer = await call;
  return { answer, tookMs: performance.now() - askedMs };
}
