/** What a front end needs to sell: see packages/web/README.md. */
export { buyUnit, seckillToken, settledOrder, type BuyOptions } from './buy.ts';
export { createClient, type CallOptions, type ClientOptions, type ShopperClient } from './calls.ts';
export { isTemporary, Refused, Unreachable } from './refused.ts';
export { retrying, type RetryOptions } from './retry.ts';
export { ServerClock } from './server-clock.ts';
export { untilCalled, type RoomOptions } from './waiting-room.ts';
export type * from './types.ts';
