import { generateKeyPairSync } from 'node:crypto';
import type { JWK } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pino } from 'pino';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import { createMetrics, type Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { KeySet } from '../../src/identity/key-set.ts';
import { newKey, openKeyProvider, type Answer, type KeyProvider } from './key-provider.ts';

const COOL_DOWN_MS = 200;
const TIMEOUT_MS = 400;

let provider: KeyProvider;
let keySet: KeySet;
let metrics: Metrics;
let good: Awaited<ReturnType<typeof newKey>>;

beforeAll(async () => {
  provider = await openKeyProvider();
  good = await newKey('good');
});
afterAll(() => provider.close());
beforeEach(() => {
  metrics = createMetrics('api');
  keySet = open();
});
afterEach(() => keySet.stop());

function open(times: { readonly coolDownMs?: number; readonly refreshMs?: number } = {}): KeySet {
  const deps = { url: provider.url, algorithm: 'RS256', log: pino({ level: 'silent' }), metrics };
  return new KeySet(deps, { coolDownMs: COOL_DOWN_MS, timeoutMs: TIMEOUT_MS, ...times });
}
const numberOf = async (metric: 'keySetAgeSeconds' | 'keySetFetches', outcome?: string) =>
  (await metrics[metric].get()).values.find(({ labels }) => (labels as { outcome?: string }).outcome === outcome)
    ?.value;
/** A key set may be asked for again. */
const cooledDown = () =>
  expect.poll(() => performance.now() - provider.askedAtMs, { interval: 20 }).toBeGreaterThan(COOL_DOWN_MS);

const shortRsa = generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey.export({ format: 'jwk' }) as JWK;
const redirect: Answer = (request, response) => {
  if (request.url === '/keys') response.writeHead(302, { location: '/elsewhere' }).end();
  else response.writeHead(200).end(JSON.stringify({ keys: [good.jwk] }));
};
const status =
  (code: number): Answer =>
  (_request, response) =>
    response.writeHead(code).end(JSON.stringify({ keys: [good.jwk] }));
const text =
  (body: string): Answer =>
  (_request, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
const keysOf = (...keys: unknown[]): Answer => text(JSON.stringify({ keys }));

const FAILURES: readonly (readonly [string, () => Answer])[] = [
  ['a status of 500', () => status(500)],
  ['a status of 404', () => status(404)],
  ['a status of 204', () => (_request, response) => response.writeHead(204).end()],
  ['a redirect, even to a good set', () => redirect],
  ['a maintenance note', () => text('{"error":"maintenance"}')],
  ['no keys', () => keysOf()],
  ['keys that are no list', () => text('{"keys":{"0":{}}}')],
  ['null', () => text('null')],
  ['nothing', () => text('')],
  ['a page', () => (_request, response) => response.end('<!doctype html><title>Sorry</title>')],
  ['half a set', () => text(JSON.stringify({ keys: [good.jwk] }).slice(0, -20))],
  ['more than a key set is ever large', () => text(JSON.stringify({ keys: [good.jwk], pad: 'x'.repeat(2_000_000) }))],
  ['a connection that breaks', () => (request) => request.socket.destroy()],
  ['an answer that never ends', () => (_request, response) => response.writeHead(200).write('{"keys":[')],
  ['no answer', () => () => undefined],
  ['keys of another algorithm', () => keysOf({ ...good.jwk, alg: 'RS512' })],
  ['keys for encryption', () => keysOf({ ...good.jwk, use: 'enc' })],
  ['keys that do not verify', () => keysOf({ ...good.jwk, use: undefined, key_ops: ['encrypt'] })],
  ['keys of another type', () => keysOf({ kty: 'oct', k: 'c2VjcmV0', kid: 'good' })],
  ['keys with parts missing', () => keysOf({ kty: 'RSA', kid: 'good' }, null, 5, 'x', [])],
  ['keys that are too short', () => keysOf({ ...shortRsa, kid: 'good' })],
  ['private keys', () => keysOf(good.privateJwk)],
];

describe('an answer that is no key set is a failure', () => {
  it.each(FAILURES)('%s: unavailable without a set, and the last set stays in use', async (_what, answerOf) => {
    provider.answerWith(answerOf());
    const refusal = await keySet.keysFor('good').catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(Refusal);
    expect(refusal).toMatchObject({ code: 'unavailable', retryAfterS: 1 });
    expect(await numberOf('keySetFetches', 'failed')).toBe(1);

    provider.serve(good.jwk);
    await cooledDown();
    expect(await keySet.keysFor('good')).toHaveLength(1);
    provider.answerWith(answerOf());
    await cooledDown();
    expect(await keySet.refetch()).toBe(false);
    expect(await numberOf('keySetFetches', 'failed')).toBe(2);
    expect(await keySet.keysFor('good')).toHaveLength(1);
    // It may be of a key that was added since: not known, and so not refused.
    await expect(keySet.keysFor('other')).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('skips unusable keys of a set, and uses the others', async () => {
    const bare: JWK = { kty: good.jwk.kty!, n: good.jwk.n!, e: good.jwk.e! };
    provider.answerWith(
      keysOf(null, { ...good.jwk, use: 'enc' }, { ...shortRsa, kid: 'short' }, { ...bare, kid: 'bare' }),
    );
    expect(await keySet.keysFor('bare')).toHaveLength(1);
    expect(await keySet.keysFor(undefined)).toHaveLength(1);
    expect(await keySet.keysFor('short')).toEqual([]);
    expect(await keySet.keysFor(5)).toEqual([]);
  });
});

describe('the provider is asked at most once in the cool-down', () => {
  it('for any number of calls while it fails, in a row or at once; and the answer has a retry time', async () => {
    keySet = open({ coolDownMs: 5_000 });
    provider.answerWith(status(500));
    const before = provider.fetches;
    const ask = () => keySet.keysFor('good').catch((error: unknown) => error);
    for (let i = 0; i < 30; i += 1) await ask();
    const refusals = await Promise.all(Array.from({ length: 30 }, ask));
    expect(provider.fetches).toBe(before + 1);
    for (const refusal of refusals) expect(refusal).toMatchObject({ code: 'unavailable', retryAfterS: 5 });
  });

  it('for any forged key ids, at once or in a row', async () => {
    keySet = open({ coolDownMs: 5_000 });
    provider.serve(good.jwk);
    const before = provider.fetches;
    await Promise.all(Array.from({ length: 30 }, (_, i) => keySet.keysFor(`made-up-${i}`)));
    for (let i = 0; i < 30; i += 1) expect(await keySet.keysFor(`made-up-${i}`)).toEqual([]);
    expect(provider.fetches).toBe(before + 1);
  });

  it('for any calls while it is kept fresh', async () => {
    provider.answerWith(status(500));
    const asked: number[] = [];
    provider.answerWith((_request, response) => {
      asked.push(performance.now());
      response.writeHead(500).end();
    });
    keySet.start();
    await expect
      .poll(
        async () => {
          await keySet.keysFor('good').catch(() => undefined);
          return asked.length;
        },
        { interval: 5, timeout: 10_000 },
      )
      .toBeGreaterThanOrEqual(5);
    const gaps = asked.slice(1).map((at, i) => at - asked[i]!);
    // The server sees a request some time after it was sent.
    expect(Math.min(...gaps)).toBeGreaterThan(COOL_DOWN_MS * 0.8);
  });
});

describe('a key set is kept fresh without any call', () => {
  it('finds a rotated key and removes the old one', async () => {
    const next = await newKey('next');
    keySet = open({ refreshMs: COOL_DOWN_MS });
    provider.serve(good.jwk);
    keySet.start();
    await expect.poll(() => numberOf('keySetFetches', 'ok')).toBe(1);
    provider.serve(next.jwk);
    await expect.poll(() => numberOf('keySetFetches', 'ok')).toBe(2);
    expect(await keySet.keysFor('next')).toHaveLength(1);
    expect(await keySet.keysFor('good')).toEqual([]);
  });

  it('reports its age, which grows while the provider fails and falls after it is back', async () => {
    provider.answerWith(status(500));
    keySet.start();
    await expect.poll(() => numberOf('keySetFetches', 'failed')).toBeGreaterThanOrEqual(2);
    expect(await numberOf('keySetAgeSeconds')).toBeGreaterThan(COOL_DOWN_MS / 1_000);
    provider.serve(good.jwk);
    await expect.poll(() => numberOf('keySetFetches', 'ok')).toBe(1);
    expect(await numberOf('keySetAgeSeconds')).toBeLessThan(COOL_DOWN_MS / 1_000);
  });

  it('asks no more after its stop, and does not wait for an answer', async () => {
    provider.answerWith(() => undefined);
    const before = provider.fetches;
    keySet.start();
    await expect.poll(() => provider.fetches).toBe(before + 1);
    const underWay = keySet.refetch();
    keySet.stop();
    expect(await underWay).toBe(false);
    expect(await numberOf('keySetFetches', 'failed')).toBe(0);
  });
});
