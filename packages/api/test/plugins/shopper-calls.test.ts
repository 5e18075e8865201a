import { expect, it } from 'vitest';
import { shopperCalls } from '../../src/plugins/shopper-calls.ts';
import { openApp, openTestContext } from '../../testing/support.ts';

/** The client's types are generated from this document; see `npm run docs`. */
it('the document of the shoppers’ calls is what the service serves', async () => {
  const context = await openTestContext();
  const app = await openApp(context, {
    CHALLENGE_BITS: '4',
    AUTH_MODE: 'jwt',
    JWT_SECRET: 'a-secret-of-access-tokens-of-32-bytes',
  });
  try {
    const served = (await app.get('/docs/json')).json<{ paths: Record<string, object> }>().paths;
    const calls = JSON.parse(JSON.stringify(await shopperCalls())) as { paths: Record<string, object> };
    const names = Object.keys(served).filter((path) => /^\/api\/v1\/(?:products|seckill|orders|dev)\b/.test(path));
    expect(Object.keys(calls.paths).toSorted()).toEqual(names.toSorted());
    for (const [path, call] of Object.entries(calls.paths)) expect(served[path]).toEqual(call);
  } finally {
    await app.close();
    await context.close();
  }
});
