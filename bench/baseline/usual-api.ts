import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import fastify from 'fastify';
import { Redis } from 'ioredis';
import type { ResultSetHeader } from 'mysql2';
import { Buy, IssueToken } from '@flash-sale/api/src/seckill/schema.ts';
import { newBatchNo, newOrderNumber } from '@flash-sale/shared/order/order-number.ts';
import { openDb, QUEUE, redisOptions, type OrderJob } from './usual.ts';

/**
 * `usual`: the service as it is usually built, with the same API. A buy asks Redis for two token
 * buckets, the shopper's seckill token and an earlier order, takes the unit by a script, adds a job
 * of its own and answers. It is built to be fast: independent calls are made at once, and ioredis
 * puts the calls of all requests of one turn into one pipeline.
 */
const TOKEN_TTL_S = 300;
const BUCKET = `
  local state = redis.call('HMGET', KEYS[1], 'tokens', 'at')
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local capacity, per_second = tonumber(ARGV[1]), tonumber(ARGV[2])
  local tokens = math.min(capacity, (tonumber(state[1]) or capacity) + (now - (tonumber(state[2]) or now)) * per_second / 1000)
  local allowed = tokens >= 1
  if allowed then tokens = tokens - 1 end
  redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', now)
  redis.call('PEXPIRE', KEYS[1], 60000)
  return allowed and 1 or 0`;
const TAKE = `
  if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return -1 end
  if tonumber(redis.call('GET', KEYS[1]) or '0') <= 0 then return 0 end
  redis.call('DECR', KEYS[1])
  redis.call('SADD', KEYS[2], ARGV[1])
  redis.call('DEL', KEYS[3])
  return 1`;

type Scripts = {
  bucket(key: string, capacity: number, perSecond: number): Promise<number>;
  take(stock: string, owners: string, token: string, user: string): Promise<number>;
};

const redis = new Redis({ ...redisOptions(), enableAutoPipelining: true });
redis.defineCommand('bucket', { numberOfKeys: 1, lua: BUCKET });
redis.defineCommand('take', { numberOfKeys: 3, lua: TAKE });
const scripts = redis as unknown as Scripts;
const queue = new Queue<OrderJob>(QUEUE, { connection: redisOptions() });
const db = await openDb(10);
const prices = new Map<number, number>();
const keys = (sale: number) => ({ stock: `usual:${sale}:stock`, owners: `usual:${sale}:owners` });
const tokenKey = (sale: number, user: string): string => `usual:${sale}:token:${user}`;

const app = fastify();
app.get('/healthz', async () => ({ status: 'ok' }));

app.post<{ Body: { name: string; price: number; seckill_stock: number } }>(
  '/api/v1/admin/products',
  async ({ body }, reply) => {
    const priceCents = Math.round(body.price * 100);
    const [{ insertId: id }] = await db.query<ResultSetHeader>(
      'INSERT INTO products (name, price_cents, seckill_stock) VALUES (?, ?, ?)',
      [body.name, priceCents, body.seckill_stock],
    );
    prices.set(id, priceCents);
    await redis.set(keys(id).stock, body.seckill_stock);
    return reply.code(201).send({ id });
  },
);

app.post<{ Body: { user_id: string; product_id: number } }>(
  '/api/v1/seckill/token',
  { schema: IssueToken },
  async ({ body }) => {
    const token = randomUUID();
    await redis.set(tokenKey(body.product_id, body.user_id), token, 'EX', TOKEN_TTL_S);
    return { token, expires_at: new Date(Date.now() + TOKEN_TTL_S * 1_000).toISOString() };
  },
);

app.post<{ Body: { user_id: string; product_id: number; token: string } }>(
  '/api/v1/seckill/buy',
  { schema: Buy },
  async ({ body }, reply) => {
    const { user_id: userId, product_id: productId, token } = body;
    const { stock, owners } = keys(productId);
    const ownToken = tokenKey(productId, userId);
    const [global, own, recorded, bought] = await Promise.all([
      scripts.bucket('usual:bucket:global', 1_000_000, 1_000_000),
      scripts.bucket(`usual:bucket:${userId}`, 1_000, 1_000),
      redis.get(ownToken),
      redis.sismember(owners, userId),
    ]);
    if (global === 0 || own === 0) return reply.code(429).send();
    if (bought === 1) return reply.code(409).send();
    if (recorded !== token) return reply.code(403).send();
    const priceCents = prices.get(productId);
    if (priceCents === undefined) return reply.code(404).send();
    if ((await scripts.take(stock, owners, ownToken, userId)) !== 1) return reply.code(409).send();

    const createdAtMs = Date.now();
    const orderNo = newOrderNumber({ id: productId, shard: 0 }, newBatchNo(createdAtMs));
    const job = {
      order_no: orderNo,
      product_id: productId,
      user_id: userId,
      price_cents: priceCents,
      created_at_ms: createdAtMs,
    };
    await queue.add('order', job, { jobId: orderNo, attempts: 10, removeOnComplete: true });
    return reply
      .code(202)
      .headers({ location: `/api/v1/orders/${orderNo}`, 'retry-after': '1' })
      .send({ order_no: orderNo, status: 'queued', quantity: 1 });
  },
);
await app.listen({ host: '127.0.0.1', port: Number(process.env['SERVER_PORT']) });
