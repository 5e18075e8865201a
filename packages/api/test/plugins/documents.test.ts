import { describe, expect, it } from 'vitest';
import { operatorCalls, shopperCalls } from '../../src/plugins/documents.ts';
import { openTestApp } from '../../testing/support.ts';

type Paths = Record<string, object>;

const { app } = await openTestApp({
  CHALLENGE_BITS: '4',
  AUTH_MODE: 'jwt',
  JWT_SECRET: 'a-secret-of-access-tokens-of-32-bytes',
});
const served = (await app.get('/docs/json')).json<{ paths: Paths }>().paths;

/** The types of the clients are generated from these documents; see `npm run docs`. */
describe.each([
  ['shoppers', shopperCalls, /^\/api\/v1\/(?:products|seckill|orders|dev)\b/],
  ['operators', operatorCalls, /^\/api\/v1\/admin\//],
])('the document of the %s’ calls', (_, calls, areIn) => {
  it('is what the service serves', async () => {
    const { paths } = JSON.parse(JSON.stringify(await calls())) as { paths: Paths };
    const names = Object.keys(served).filter((path) => areIn.test(path));
    expect(Object.keys(paths).toSorted()).toEqual(names.toSorted());
    for (const [path, call] of Object.entries(paths)) expect(served[path]).toEqual(call);
  });
});
