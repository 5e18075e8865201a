import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { sharedTokenSecret } from '@flash-sale/shared/seckill-token/token-secrets-table.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { openTestApp } from '../../testing/support.ts';
import { connectRaw, listen } from '../attacks/raw-connection.ts';

const { context, app } = await openTestApp({ TRUSTED_PROXIES: '127.0.0.0/8' });
const port = await listen(app);
const secret = await sharedTokenSecret(context.db);

const URL = '/api/v1/payments/webhook/sandbox';
const BODY = '{"event_id":"e","kind":"succeeded"}';
/** Calls of one address that may be unverified at once. */
const UNVERIFIED_MAX = 100;

const signature = (body: string, key: string): string => {
  const timeMs = Date.now();
  return `${timeMs}.${createHmac('sha256', key).update(`sandbox ${timeMs}.${body}`).digest('hex')}`;
};
const sendFrom = (address: string, { key = secret, body = BODY, headers = {} } = {}) =>
  app.server.inject({
    method: 'POST',
    url: URL,
    payload: body,
    headers: {
      'content-type': 'application/json',
      'x-forwarded-for': address,
      'x-sandbox-signature': signature(body, key),
      ...headers,
    },
  });

describe('attack: webhooks that the provider did not sign', () => {
  it('are refused before their bodies are read when their address has sent too many', async () => {
    // They are too large, which is found out only after the limit.
    const large = { headers: { 'content-length': '1000000000' } };
    const answers = await Promise.all(Array.from({ length: 300 }, () => sendFrom('192.0.2.1', large)));
    const refused = answers.filter(({ statusCode }) => statusCode === 429);
    expect(answers.filter(({ statusCode }) => statusCode === 413).length).toBe(answers.length - refused.length);
    // The bucket refills by 10 a second.
    expect(refused.length).toBeGreaterThan(100);
    expect(refused.length).toBeLessThanOrEqual(300 - UNVERIFIED_MAX);
    expect(refused.at(-1)).toBeProblem('rate_limited');
    expect(refused.at(-1)!.headers['ratelimit-policy']).toBe('"address";q=100;w=10');
    expect((await sendFrom('192.0.2.2')).statusCode).toBe(200);
  });

  it('count if their signature is wrong', async () => {
    const guess = () => sendFrom('192.0.2.6', { key: 'guessed' });
    const answers = await Promise.all(Array.from({ length: UNVERIFIED_MAX }, guess));
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([401]));
    const more = await Promise.all(Array.from({ length: UNVERIFIED_MAX }, guess));
    expect(more.filter(({ statusCode }) => statusCode === 429).length).toBeGreaterThan(UNVERIFIED_MAX / 2);
  });

  it('count while their bodies are on their way, so that one address cannot occupy much memory', async () => {
    const head =
      `POST ${URL} HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 192.0.2.3\r\n` +
      'content-type: application/json\r\ncontent-length: 200000\r\n\r\n';
    const connections = await Promise.all(Array.from({ length: UNVERIFIED_MAX + 50 }, () => connectRaw(port)));
    for (const connection of connections) connection.send(`${head}{"filler":"`);
    await expect.poll(async () => (await sendFrom('192.0.2.3')).statusCode, SOON).toBe(429);
    await expect
      .poll(() => connections.filter(({ received }) => received().startsWith('HTTP/1.1 429')).length, SOON)
      .toBeGreaterThan(0);
    for (const { socket } of connections) socket.destroy();
  });
});

describe('webhooks that the provider has signed', () => {
  it('have no limit, however many they are', async () => {
    const answers = [];
    for (let i = 0; i < 3 * UNVERIFIED_MAX; i += 1) answers.push((await sendFrom('192.0.2.4')).statusCode);
    expect(new Set(answers)).toEqual(new Set([200]));
  });

  it.each([
    [524_288, 200],
    [524_289, 413],
  ])('with %i bytes are answered %i', async (bytes, status) => {
    const body = BODY + ' '.repeat(bytes - BODY.length);
    expect((await sendFrom('192.0.2.5', { body })).statusCode).toBe(status);
  });
});
