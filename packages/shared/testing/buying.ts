import { randomUUID } from 'node:crypto';
import { newBatchNo, newOrderNumber } from '../src/order/order-number.ts';
import type { SaleRef } from '../src/sale/sale.ts';
import type { Admission, AdmitCall, AdmitItem } from '../src/admission/admission-commands.ts';
import type { IssueItem, IssueLimits } from '../src/seckill-token/seckill-token-commands.ts';
import { heldBy, type Owner } from '../src/sale/owner.ts';
import type { TestContext } from './support.ts';

/** What a test needs of its context to buy. */
export type Shop = Pick<TestContext, 'commands' | 'keys' | 'redis'>;

/** Buckets that no test meets by accident. */
export const NO_LIMITS: AdmitCall['limits'] = {
  globalCapacity: 1_000_000,
  globalPerSecond: 1_000_000,
  userCapacity: 1_000_000,
  userPerSecond: 1_000_000,
};

const TOKEN_LIFE_MS = 600_000;

/** One `admit` call with everything that it sends, so that it can be sent again as ioredis does. */
export interface Attempt {
  readonly sale: SaleRef;
  readonly call: AdmitCall;
  readonly items: readonly AdmitItem[];
}

/** What a call carries when all is well: this history of Redis, and half a minute to go. */
export async function newCall(shop: Shop, sale: SaleRef, fields: Partial<AdmitCall> = {}): Promise<AdmitCall> {
  const { nowMs, historyId } = await shop.commands.clock(sale.shard);
  return {
    historyId,
    deadlineMs: nowMs + 30_000,
    batchNo: newBatchNo(nowMs),
    backlogMax: 1_000_000,
    shardBacklogMax: 1_000_000,
    limits: NO_LIMITS,
    ...fields,
  };
}

/** Conditions of a seckill token that most tests do not need. */
type TokenConditions = Pick<IssueItem, 'replacing' | 'challenge'> & Partial<IssueLimits>;

/** Records this seckill token. Returns the token that the shopper has now, or the refusal. */
export async function recordToken(
  shop: Pick<Shop, 'commands'>,
  sale: SaleRef,
  userId: string,
  token: string,
  { lifeMs = TOKEN_LIFE_MS, tokensPerUnit = 0, ...item }: TokenConditions = {},
): Promise<string> {
  const [issuance] = await shop.commands.issueTokens(sale, [{ userId, token, ...item }], { lifeMs, tokensPerUnit });
  return issuance!.outcome === 'issued' ? issuance!.token : issuance!.outcome;
}

/** A recorded seckill token. Redis compares it as text, so it need not be signed. */
export function issueToken(shop: Shop, sale: SaleRef, userId: string, lifeMs = TOKEN_LIFE_MS): Promise<string> {
  return recordToken(shop, sale, userId, `token-${randomUUID()}`, { lifeMs });
}

/** The shopper's live seckill token, and when it expires, as Redis has them. */
export async function liveTokenOf(
  { redis, keys }: Pick<Shop, 'redis' | 'keys'>,
  sale: SaleRef,
  userId: string,
): Promise<{ token: string; expiresMs: number } | undefined> {
  const [seconds, microseconds] = await redis.time();
  const recorded = await Promise.all(keys.seckillTokens(sale).map((name) => redis.hget(name, userId)));
  const tokens = recorded
    .filter((text) => text !== null)
    .map((text) => ({ token: text.slice(14), expiresMs: Number(text.slice(0, 13)) }))
    .filter(({ expiresMs }) => expiresMs > Number(seconds) * 1_000 + Number(microseconds) / 1_000);
  if (tokens.length > 1) throw new Error(`${userId} has ${tokens.length} live seckill tokens`);
  return tokens[0];
}

/** Puts a seckill token into Redis by hand, such as one of a sale that is stopped, for a minute. */
export async function putToken(
  { redis, keys }: Pick<Shop, 'redis' | 'keys'>,
  sale: SaleRef,
  userId: string,
  token: string,
): Promise<void> {
  const [seconds] = await redis.time();
  await redis.hset(keys.seckillTokens(sale)[0]!, userId, `${(Number(seconds) + 60) * 1_000} ${token}`);
}

/** Makes Redis lose a shopper's seckill token. */
export async function loseToken(
  { redis, keys }: Pick<Shop, 'redis' | 'keys'>,
  sale: SaleRef,
  userId: string,
): Promise<void> {
  await Promise.all(keys.seckillTokens(sale).map((name) => redis.hdel(name, userId)));
}

/** A buy with a recorded seckill token, unless `fields` say otherwise. */
export async function newItem(
  shop: Shop,
  sale: SaleRef,
  userId: string,
  fields: Partial<AdmitItem> = {},
): Promise<AdmitItem> {
  const token = fields.token ?? (await issueToken(shop, sale, userId));
  const orderNo = newOrderNumber(sale, newBatchNo(Date.now()));
  return { userId, orderNo, quantity: 1, requestId: 'request-1', ...fields, token };
}

/** A call for these shoppers, each with a recorded seckill token, in their order. */
export async function newAttempt(
  shop: Shop,
  sale: SaleRef,
  users: readonly string[],
  { quantity = 1, ...fields }: Partial<AdmitCall & Pick<AdmitItem, 'quantity'>> = {},
): Promise<Attempt> {
  const call = await newCall(shop, sale, fields);
  const items = await Promise.all(
    users.map((userId) => newItem(shop, sale, userId, { orderNo: newOrderNumber(sale, call.batchNo), quantity })),
  );
  return { sale, call, items };
}

export function send(shop: Shop, { sale, call, items }: Attempt): Promise<Admission[]> {
  return shop.commands.admit(sale, call, items);
}

/** Orders of one millisecond have no order among them: wait for the next one before a buy. */
export async function untilNextMs({ commands }: Pick<Shop, 'commands'>, { shard }: SaleRef): Promise<void> {
  const { nowMs } = await commands.clock(shard);
  while ((await commands.clock(shard)).nowMs <= nowMs);
}

/**
 * The owners that these shoppers become by buying in one call; fails if one is not accepted. An
 * earlier call was in an earlier millisecond.
 */
export async function buy(shop: Shop, sale: SaleRef, users: readonly string[], quantity = 1): Promise<Owner[]> {
  await untilNextMs(shop, sale);
  const attempt = await newAttempt(shop, sale, users, { quantity });
  const refused = (await send(shop, attempt)).find(({ outcome }) => outcome !== 'accepted');
  if (refused !== undefined) throw new Error(`not accepted: ${JSON.stringify(refused)}`);
  return attempt.items.map(({ userId, orderNo }) => ({ userId, orderNo, quantity }));
}

/** Shoppers `u1` to `u<count>`. */
export function shoppers(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `u${i + 1}`);
}

/** The lease of a sale as its holder names it, for a minute; fails if somebody else has it. */
export async function takeLease(shop: Shop, sale: SaleRef, lifeMs = 60_000): Promise<string> {
  const holder = randomUUID();
  const options = { lifeMs, waitMs: 300, mayBeNew: true };
  const taken = await shop.commands.acquireLease(sale, holder, options);
  if (taken === undefined) throw new Error('the lease is held elsewhere');
  return `${taken.fencingToken} ${holder}`;
}

/**
 * The units of a sale by one atomic read: promise 2 is about these. Fails if `extra_held` is not
 * what the owners hold beyond one unit each.
 */
export async function unitsOf(
  shop: Shop,
  sale: SaleRef,
): Promise<{ available: number; total: number; owners: Record<string, string> }> {
  const { state, owners } = shop.keys.sale(sale);
  const replies = await shop.redis.multi().hmget(state, 'available', 'total', 'extra_held').hgetall(owners).exec();
  const [[, counts], [, held]] = replies as [[unknown, string[]], [unknown, Record<string, string>]];
  const extra = Object.values(held).reduce((units, entry) => units + heldBy(entry).quantity - 1, 0);
  if (Number(counts[2]) !== extra)
    throw new Error(`extra_held is ${counts[2]} and the owners hold ${extra} beyond one`);
  return { available: Number(counts[0]), total: Number(counts[1]), owners: { ...held } };
}

/**
 * Every key of a sale and its shard's backlog, each with its content and the time at which it
 * expires. The buckets are left out: they may change with any call.
 */
export async function snapshot(shop: Shop, sale: SaleRef): Promise<Record<string, unknown>> {
  const { state } = shop.keys.sale(sale);
  const [root] = state.split('sale:', 1);
  const names = (await shop.redis.keys(`${root}*{${sale.shard}}*`))
    .filter((name) => name.includes(`:${sale.id}:`) || name.endsWith(`-${sale.id}`))
    .concat(shop.keys.backlog(sale.shard))
    .toSorted();
  const contents = await Promise.all(names.map((name) => contentOf(shop, name)));
  return Object.fromEntries(names.map((name, i) => [name, contents[i]]));
}

async function contentOf({ redis }: Shop, name: string): Promise<unknown> {
  const [type, expiresMs] = await Promise.all([redis.type(name), redis.pexpiretime(name)]);
  if (type === 'hash') return { expires_ms: expiresMs, ...(await redis.hgetall(name)) };
  if (type === 'zset') return [expiresMs, await redis.call('ZRANGE', name, '0', '-1', 'WITHSCORES')];
  return [expiresMs, await redis.get(name)];
}
