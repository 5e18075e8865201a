import { createConnection, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { launch } from '../../../infra/src/services/launch.ts';
import { findNginx, writeNginxConfig } from '../../../infra/src/services/nginx.ts';
import { freePort } from '../../../infra/src/services/ports.ts';
import { OPERATOR_TOKEN, openApp, openTestContext, type TestApp, type TestContext } from '../testing/support.ts';
import { openOwnFolder, type OwnFolder } from '@flash-sale/shared/testing/own-folder.ts';

let context: TestContext;
let folder: OwnFolder;
let app: TestApp;
let sale: Sale;
let proxy: string;

const AS_ADMIN = { authorization: `Basic ${Buffer.from(`lin:${OPERATOR_TOKEN}`).toString('base64')}` };

beforeAll(async () => {
  context = await openTestContext();
  folder = openOwnFolder();
  sale = await context.openSale();
  const port = await freePort();
  proxy = `http://127.0.0.1:${port}`;
  app = await openApp(context, { PUBLIC_URL: `${proxy}/shop`, TRUSTED_PROXIES: '127.0.0.1' });
  await app.server.listen({ host: '127.0.0.1', port: 0 });
  const { port: apiPort } = app.server.server.address() as AddressInfo;
  const api = `http://127.0.0.1:${apiPort}`;
  const config = writeNginxConfig(
    folder.dataDir,
    `    listen 127.0.0.1:${port};
    proxy_set_header Host $http_host;
    # As PUBLIC_URL says: one that takes the prefix off, and one that leaves it on.
    location /shop/ { proxy_pass ${api}/; }
    location /kept/ { rewrite ^/kept/(.*)$ /shop/$1 break; proxy_pass ${api}; }
    # Another prefix than that of PUBLIC_URL, told by the proxy, taken off or left on.
    location /told/eu/ { proxy_set_header X-Forwarded-Prefix /told/eu; proxy_pass ${api}/; }
    location /left/ { proxy_set_header X-Forwarded-Prefix /left; proxy_pass ${api}; }`,
  );
  const program = await findNginx(folder.dataDir, () => undefined);
  const { dataDir } = folder;
  await launch({ name: 'nginx', kind: 'service', dataDir, program, args: ['-p', dataDir, '-c', config] });
  await vi.waitUntil(() => answers(port), { timeout: 20_000 });
}, 120_000);

afterAll(async () => {
  await folder?.close();
  await app?.close();
  await context?.close();
});

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

/** Opens a page as a browser does, and all the files that it names. */
async function openPage(path: string, headers: Record<string, string> = {}) {
  const page = await fetch(`${proxy}${path}`, { headers });
  const html = await page.text();
  const base = new URL(/<base href="([^"]+)"/.exec(html)?.[1] ?? page.url, page.url);
  const names = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name]) => new URL(name!, base));
  const own = names.filter(({ origin, pathname }) => origin === proxy && pathname !== base.pathname);
  const files = await Promise.all(own.map(async (url) => [url.pathname, (await fetch(url, { headers })).status]));
  return { page, base: base.pathname, files };
}

const PREFIXES = ['/shop', '/told/eu', '/left'];

describe.each(PREFIXES)('behind a proxy at %s', (prefix) => {
  it.each(['/docs', '/docs/', '/docs/static/index.html'])(
    '%s has all of its files, and a document that leads back here',
    async (path) => {
      const { page, files } = await openPage(`${prefix}${path}`);
      expect([page.status, new URL(page.url).pathname]).toEqual([200, `${prefix}/docs/`]);
      expect(files.length).toBeGreaterThan(4);
      expect(files.filter(([, status]) => status !== 200)).toEqual([]);
      const document = (await (await fetch(new URL('json', page.url))).json()) as { servers: unknown };
      expect(document.servers).toEqual([{ url: prefix }]);
    },
  );

  it('the dashboard of the queues gets all of its files and calls', async () => {
    const { page, base, files } = await openPage(`${prefix}/admin/queues`, AS_ADMIN);
    expect([page.status, base]).toEqual([200, `${prefix}/admin/queues/`]);
    expect(files.length).toBeGreaterThan(2);
    expect(files.filter(([, status]) => status !== 200)).toEqual([]);
    expect((await fetch(`${proxy}${base}api/queues`, { headers: AS_ADMIN })).status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("base-uri 'self'");
  });

  it('a buy has the URL of its order, and its payment the PUBLIC_URL', async () => {
    const userId = `u-${prefix.length}`;
    const post = async (path: string, body: object) =>
      fetch(`${proxy}${prefix}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const issued = await post('/api/v1/seckill/token', { user_id: userId, product_id: sale.id });
    const { token } = (await issued.json()) as { token: string };
    const bought = await post('/api/v1/seckill/buy', { user_id: userId, product_id: sale.id, token });
    const location = bought.headers.get('location');
    expect([bought.status, location]).toEqual([202, expect.stringMatching(new RegExp(`^${prefix}/api/v1/orders/`))]);
    const order = await fetch(`${proxy}${location}?user_id=${userId}`);
    expect([order.status, order.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
  });

  it('an unknown path is not found, and does not bypass the check of operators', async () => {
    expect((await fetch(`${proxy}${prefix}/nothing`)).status).toBe(404);
    expect((await fetch(`${proxy}${prefix}${prefix}/admin/queues`)).status).not.toBe(200);
    expect((await fetch(`${proxy}${prefix}/admin/queues`)).status).toBe(401);
  });
});

it('a proxy that leaves the path of PUBLIC_URL on works without a header', async () => {
  const { page, files } = await openPage('/kept/docs/');
  expect(page.status).toBe(200);
  expect(files.filter(([, status]) => status !== 200)).toEqual([]);
});

describe('attack: a forged X-Forwarded-Prefix', () => {
  it.each(['//evil.example', '/a//b', '/../x', 'evil', '/a?b', '/a"><script>', '/a, /b', '/admin', '/%2e%2e'])(
    '%s is not written into an answer',
    async (prefix) => {
      const answer = await app.get('/admin/queues', { ...AS_ADMIN, 'x-forwarded-prefix': prefix });
      expect(answer.body).toContain('<base href="/shop/admin/queues');
      const docs = await app.get('/docs', { 'x-forwarded-prefix': prefix });
      expect(docs.headers.location).toBe('/shop/docs/');
    },
  );

  it('is ignored from every address but a trusted proxy', async () => {
    const answer = await app.server.inject({
      url: '/docs',
      headers: { 'x-forwarded-prefix': '/evil' },
      remoteAddress: '203.0.113.9',
    });
    expect(answer.headers.location).toBe('/shop/docs/');
  });
});
