import { afterAll, describe, expect, it } from 'vitest';
import { AS_OPERATOR, AS_VIEWER, openApp, openTestContext, VIEWER_TOKEN } from '../../testing/support.ts';
import { WRONG, basic, statsOf } from './operator-calls.ts';

const context = await openTestContext({ VIEWER_TOKEN });
afterAll(() => context.close());

describe('brute force on operators’ calls', () => {
  const guarded = () =>
    openApp(
      context,
      { TRUSTED_PROXIES: '127.0.0.1' },
      { bounds: { operatorFailures: { capacity: 3, perSecond: 1 / 60 } } },
    );
  const from = (address: string, headers: Record<string, string>) => ({ ...headers, 'x-forwarded-for': address });

  it('is refused after a few wrong operator tokens, even if the next one is right', async () => {
    const own = await guarded();
    try {
      const sale = await context.openSale();
      const attacker = '198.51.100.1';
      for (let i = 0; i < 3; i += 1) {
        expect(await statsOf(own, sale.id, from(attacker, WRONG))).toBeProblem('unauthenticated');
      }
      for (const headers of [WRONG, AS_OPERATOR, AS_VIEWER, {}]) {
        const answer = await statsOf(own, sale.id, from(attacker, headers));
        expect(answer).toBeProblem('rate_limited');
        expect(Number(answer.headers['retry-after'])).toBeGreaterThan(50);
        expect(answer.headers['ratelimit-policy']).toBe('"operator";q=3;w=180');
      }
      // In other places nothing changes.
      expect((await statsOf(own, sale.id, from('198.51.100.2', AS_OPERATOR))).statusCode).toBe(200);
    } finally {
      await own.close();
    }
  });

  it('counts as one caller, from any address of a /64', async () => {
    const own = await guarded();
    try {
      const sale = await context.openSale();
      for (const address of ['2001:db8::1', '2001:db8:0:0:ffff::2', '2001:DB8:0000::3']) {
        expect(await statsOf(own, sale.id, from(address, WRONG))).toBeProblem('unauthenticated');
      }
      expect(await statsOf(own, sale.id, from('2001:db8::4', AS_OPERATOR))).toBeProblem('rate_limited');
      expect((await statsOf(own, sale.id, from('2001:db8:0:1::1', AS_OPERATOR))).statusCode).toBe(200);
    } finally {
      await own.close();
    }
  });

  it.each<[string, Record<string, string>]>([
    ['basic auth without a colon', { authorization: `Basic ${Buffer.from('lin').toString('base64')}` }],
    ['basic auth that is no base64', { authorization: 'Basic ?' }],
    ['nothing after the scheme', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: 'Digest username="lin"' }],
  ])('is not a malformed call: %s', async (_what, headers) => {
    const own = await guarded();
    try {
      const sale = await context.openSale();
      for (let i = 0; i < 5; i += 1) {
        const answer = await statsOf(own, sale.id, from('198.51.100.3', headers));
        expect(answer).toBeProblem('unauthenticated');
        expect(answer.headers['www-authenticate']).toBe('Basic realm="operators", charset="UTF-8"');
      }
      for (let i = 0; i < 5; i += 1) {
        expect(await statsOf(own, sale.id, from('198.51.100.3', basic('lin\u202e')))).toBeProblem('invalid_request');
      }
      expect((await statsOf(own, sale.id, from('198.51.100.3', AS_OPERATOR))).statusCode).toBe(200);
    } finally {
      await own.close();
    }
  });

  it('includes wrong operator tokens with any name', async () => {
    const own = await guarded();
    try {
      const sale = await context.openSale();
      for (const name of ['lin', 'lin\u202e', '']) {
        expect(await statsOf(own, sale.id, from('198.51.100.4', basic(name, 'wrong')))).toBeProblem('unauthenticated');
      }
      expect(await statsOf(own, sale.id, from('198.51.100.4', AS_OPERATOR))).toBeProblem('rate_limited');
    } finally {
      await own.close();
    }
  });

  it('does not include calls with a right token, or without any', async () => {
    const own = await guarded();
    try {
      const sale = await context.openSale();
      for (let i = 0; i < 10; i += 1) {
        expect((await statsOf(own, sale.id, AS_OPERATOR)).statusCode).toBe(200);
        expect(await statsOf(own, sale.id, {})).toBeProblem('unauthenticated');
      }
    } finally {
      await own.close();
    }
  });
});
