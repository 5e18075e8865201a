import { SeckillTokens } from '@flash-sale/shared/seckill-token/seckill-token.ts';
import { TOKEN_SECRET, type TestApp } from '../../testing/support.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
export const ORDER_NO = /^[0-7][0-9A-HJKMNP-TV-Z]{31}-0-\d+$/;
export const scheduled = () => ({ startMs: Date.now() + HOUR_MS, endMs: Date.now() + 2 * HOUR_MS });
export const ended = () => ({ startMs: Date.now() - 2 * HOUR_MS, endMs: Date.now() - HOUR_MS });
/** Ended so long ago that Redis does not keep it any more. */
export const retired = () => ({ startMs: Date.now() - 3 * DAY_MS, endMs: Date.now() - 2 * DAY_MS });
export const askToken = (on: TestApp, userId: unknown, productId: unknown) =>
  on.post('/api/v1/seckill/token', { user_id: userId, product_id: productId });
/** A seckill token that we signed and never recorded. */
export const signed = (saleId: number, userId: string, secret = TOKEN_SECRET) =>
  new SeckillTokens([secret]).sign({ userId, saleId }, Date.now() + HOUR_MS);
