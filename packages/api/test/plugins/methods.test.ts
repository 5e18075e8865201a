import { expect, it } from 'vitest';
import { openTestApp } from '../../testing/support.ts';

const { app } = await openTestApp();

const ALL = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
const ORDER = '/api/v1/orders/01KARYB6S5Q0H9M3T7ZV5W8XCE-0-1';

it.each([
  ['/healthz', ['GET', 'HEAD']],
  ['/readyz', ['GET', 'HEAD']],
  ['/api/v1/products', ['GET', 'HEAD']],
  ['/api/v1/products/1', ['GET', 'HEAD']],
  ['/api/v1/seckill/token', ['POST']],
  ['/api/v1/seckill/buy', ['POST']],
  ['/api/v1/orders', ['GET', 'HEAD']],
  [ORDER, ['GET', 'HEAD']],
  ['/api/v1/admin/products', ['POST', 'GET', 'HEAD']],
  ['/api/v1/admin/products/1/pause', ['POST']],
  ['/api/v1/admin/products/1/resume', ['POST']],
])('%s answers every other method with 405 and says which it allows', async (url, allowed) => {
  for (const method of ALL.filter((each) => !allowed.includes(each))) {
    // With any body, and for any caller.
    const answer = await app.server.inject({
      method,
      url,
      headers: { 'content-type': 'application/json' },
      payload: '{"not',
    });
    expect(answer).toBeProblem('method_not_allowed');
    expect({ method, allow: String(answer.headers.allow).split(', ') }).toEqual({ method, allow: allowed });
  }
});

it('answers a HEAD that is not allowed with 405 too, without the body', async () => {
  const answer = await app.server.inject({ method: 'HEAD', url: '/api/v1/seckill/buy' });
  expect([answer.statusCode, answer.headers.allow, answer.body]).toEqual([405, 'POST', '']);
});

it('answers HEAD like GET, without the body', async () => {
  const answer = await app.server.inject({ method: 'HEAD', url: '/api/v1/products' });
  expect([answer.statusCode, answer.body]).toEqual([200, '']);
});
