import fastify from 'fastify';
import { Buy } from '@flash-sale/api/src/seckill/schema.ts';

/**
 * `bare`: the maximum of one api process. A Fastify route with the schema and the answer of a buy
 * and Fastify's defaults, that does nothing: no identity, no seckill token, no Redis.
 */
const app = fastify();
const ORDER_NO = '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-17';

app.get('/healthz', async () => ({ status: 'ok' }));
app.post('/api/v1/seckill/buy', { schema: Buy }, async (_request, reply) =>
  reply
    .code(202)
    .headers({ location: `/api/v1/orders/${ORDER_NO}`, 'retry-after': '1' })
    .send({ order_no: ORDER_NO, status: 'queued', quantity: 1 }),
);
await app.listen({ host: '127.0.0.1', port: Number(process.env['SERVER_PORT']) });
