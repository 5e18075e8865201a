import { expect, it } from 'vitest';
import { metricRows } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openTestApp } from '@flash-sale/api/testing/support.ts';
import { readAlerts, selectorsOf } from '../../src/monitoring/rules.ts';
import { PAGES, readPage } from './pages.ts';

// With these settings it has every call.
const { app } = await openTestApp({
  AUTH_MODE: 'jwt',
  JWT_SECRET: 'a-secret-of-access-tokens-of-32-bytes',
  CHALLENGE_BITS: '4',
});

it('every call that the docs name is one of the OpenAPI document', async () => {
  const { paths } = (await app.get('/docs/json')).json<{ paths: Record<string, Record<string, object>> }>();
  const known = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const isKnown = (method: string | undefined, path: string): boolean => {
    const parts = path.split('/');
    return known.some((call) => {
      const [itsMethod, itsPath] = call.split(' ') as [string, string];
      const itsParts = itsPath.split('/');
      return (
        (method === undefined || method === itsMethod) &&
        parts.length === itsParts.length &&
        // `:id`, `$ID` and `17` all stand for a parameter.
        parts.every((part, i) => part === itsParts[i] || /^[{:]/.test(itsParts[i]!))
      );
    });
  };
  const named = PAGES.flatMap((page) =>
    [...readPage(page).matchAll(/(?:\b(GET|POST|PUT|PATCH|DELETE) )?(\/api\/v1\/[\w/:$.-]*\w)/g)].map(
      ([text, method, path]) => ({ page, text, method, path: path! }),
    ),
  );
  expect(named.length).toBeGreaterThan(40);
  const unknown = named.filter(({ method, path }) => path !== '/api/v1/admin' && !isKnown(method, path));
  expect(unknown.map(({ page, text }) => `${page}: ${text}`)).toEqual([]);
});

it('every metric that docs and alerts name is registered', async () => {
  const registered = new Set(Object.values(await metricRows()).flatMap((rows) => rows.map(({ name }) => name)));
  const isRegistered = (name: string): boolean =>
    registered.has(name) || registered.has(name.replace(/_(bucket|sum|count)$/, ''));
  // A column of `products`, and Prometheus's own.
  const notMetrics = new Set(['seckill_stock', 'up']);
  const inDocs = PAGES.flatMap((page) => readPage(page).match(/\bseckill_[a-z_]*[a-z]\b(?![*.])/g) ?? []);
  const inAlerts = readAlerts().flatMap(({ expr }) => selectorsOf(expr).map((selector) => selector.split('{')[0]!));
  expect(inAlerts.length).toBeGreaterThan(20);
  const unknown = new Set([...inDocs, ...inAlerts].filter((name) => !notMetrics.has(name) && !isRegistered(name)));
  expect([...unknown]).toEqual([]);
});
