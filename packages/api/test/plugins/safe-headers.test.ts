import { describe, expect, it } from 'vitest';
import { openTestApp } from '../../testing/support.ts';

const { app } = await openTestApp();

/** An answer's content security policy: directive → sources. */
const policyOf = (headers: Record<string, unknown>): Map<string, string> =>
  new Map(
    String(headers['content-security-policy'])
      .split(';')
      .map((directive) => directive.trim().split(/ (.*)/s, 2) as [string, string]),
  );

describe('every answer', () => {
  it.each(['/healthz', '/api/v1/products', '/nope', '/%', '/api/v1/products/x', '/docs', '/docs/json'])(
    'of %s may not be guessed, framed or cached, and names no server',
    async (url) => {
      const { headers } = await app.get(url);
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
        'strict-transport-security': expect.stringMatching(/^max-age=\d{8,}/),
        'cache-control': expect.stringMatching(/no-store|no-cache/),
      });
      expect(policyOf(headers).get('frame-ancestors')).toBe("'none'");
      for (const name of ['server', 'x-powered-by', 'via', 'access-control-allow-origin']) {
        expect(headers[name]).toBeUndefined();
      }
    },
  );

  it('of the API executes nothing, with any content', async () => {
    const { headers } = await app.get('/api/v1/products');
    expect(policyOf(headers).get('default-src')).toBe("'none'");
    expect(policyOf(headers).get('script-src')).toBeUndefined();
  });
});

describe('a page', () => {
  it('tells other sites nothing about its visitors, and is not framed by old browsers either', async () => {
    expect((await app.get('/docs')).headers).toMatchObject({
      'cross-origin-opener-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
    });
  });

  it('runs scripts of its own origin only, no inline ones, and loads nothing from other origins', async () => {
    const policy = policyOf((await app.get('/docs')).headers);
    expect(policy.get('default-src')).toBe("'none'");
    expect(policy.get('script-src')).toBe("'self'");
    expect(policy.get('connect-src')).toBe("'self'");
    for (const sources of policy.values()) expect(sources).not.toMatch(/\*|https?:|unsafe-eval/);
  });

  it('has no inline script that the policy would block', async () => {
    const { body } = await app.get('/docs');
    expect([...body.matchAll(/<script(?![^>]*\bsrc=)/g)]).toEqual([]);
    expect(body).not.toMatch(/\son\w+=|javascript:/);
  });
});
