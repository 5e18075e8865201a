import { createHmac, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AS_OPERATOR, openTestContext, OPERATOR_TOKEN, type TestContext } from '../../testing/support.ts';
import { startService, type Service } from '../../testing/service.ts';

const SECRETS = {
  JWT_SECRET: randomBytes(32).toString('hex'),
  TOKEN_SECRETS: randomBytes(32).toString('hex'),
  STRIPE_SECRET_KEY: `sk_test_${randomBytes(12).toString('hex')}`,
  STRIPE_WEBHOOK_SECRET: `whsec_${randomBytes(12).toString('hex')}`,
  VIEWER_TOKEN: randomBytes(16).toString('hex'),
};

let context: TestContext;
let service: Service;

beforeAll(async () => {
  context = await openTestContext();
  const env = { ...SECRETS, AUTH_MODE: 'jwt', LOG_LEVEL: 'trace' };
  service = await startService(context, { apis: 1, workers: 1, env });
}, 90_000);

afterAll(async () => {
  await service?.stop();
  await context?.close();
});

/** An access token as the identity provider signs it. */
function accessToken(sub: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256' })}.${part({ sub, exp: Math.floor(Date.now() / 1_000) + 600 })}`;
  return `${signed}.${createHmac('sha256', SECRETS.JWT_SECRET).update(signed).digest('base64url')}`;
}

async function call(path: string, authorization: string, body?: object) {
  const answer = await fetch(new URL(path, service.url), {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, string> };
}

it('no log line of any process shows a secret, at the lowest log level and with every kind of failure', async () => {
  const sale = await context.openSale();
  const bearer = `Bearer ${accessToken('alice')}`;
  const wrongToken = `guess-${randomBytes(8).toString('hex')}`;

  const { token } = (await call('/api/v1/seckill/token', bearer, { product_id: sale.id })).body;
  const bought = await call('/api/v1/seckill/buy', bearer, { product_id: sale.id, token });
  expect(bought.status).toBe(202);
  const orderNo = bought.body['order_no']!;
  expect((await call(`/api/v1/orders/${orderNo}?wait=20`, bearer)).body['status']).toBe('pending_payment');
  await call(`/api/v1/orders/${orderNo}/pay`, bearer, {});
  await call('/api/v1/payments/webhook/sandbox', bearer, { event_id: 'forged' });
  await call('/api/v1/admin/actions', `Bearer ${wrongToken}`);
  await call('/api/v1/admin/actions', `Bearer ${SECRETS.VIEWER_TOKEN}`);
  await call(`/api/v1/admin/products/${sale.id}/pause`, AS_OPERATOR.authorization, {});

  // Redis refuses a script, and its client hangs the arguments, the seckill token among them, on
  // the error.
  const broken = await context.openSale();
  const other = (await call('/api/v1/seckill/token', bearer, { product_id: broken.id })).body['token']!;
  const { owners } = context.keys.sale(broken);
  await context.redis.del(owners);
  await context.redis.set(owners, 'of another type');
  expect((await call('/api/v1/seckill/buy', bearer, { product_id: broken.id, token: other })).status).toBe(503);
  await context.redis.del(owners);
  // MySQL refuses a statement.
  await sql`DROP TABLE operator_actions`.execute(context.db);
  expect((await call('/api/v1/admin/actions', AS_OPERATOR.authorization)).status).toBe(500);

  const linesOf = (): string[] =>
    [...service.apis, ...service.workers].flatMap(({ log }) => log.map((line) => JSON.stringify(line)));
  // What went wrong is there to be read, if a moment after the answer.
  for (const said of ['ER_NO_SUCH_TABLE', 'WRONGTYPE', 'payment started', 'wrong operator token']) {
    await expect.poll(() => linesOf().filter((line) => line.includes(said))).not.toEqual([]);
  }
  const secrets = [
    ...Object.values(SECRETS),
    OPERATOR_TOKEN,
    wrongToken,
    token!,
    other,
    bearer.slice('Bearer '.length),
    ...[context.config.DB_PASSWORD, context.config.REDIS_PASSWORD].filter((password) => password !== ''),
  ];
  expect(linesOf().filter((line) => secrets.some((secret) => line.includes(secret)))).toEqual([]);
}, 60_000);
