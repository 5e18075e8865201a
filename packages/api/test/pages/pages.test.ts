import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { LightMyRequestResponse as Response } from 'fastify';
import { describe, expect, it } from 'vitest';
import { openApp, openTestApp } from '../../testing/support.ts';

const FIRST_LOAD_BYTES_MAX = 100_000;
const PAGES = ['/', '/sales/17', '/orders', '/console'] as const;

const { context, app } = await openTestApp();

const pageAt = (path: string): Promise<Response> => app.get(path);

/** The paths of the files that a page loads, as its base resolves them. */
function filesOf(page: Response): string[] {
  const base = new URL(/<base href="([^"]+)"/.exec(page.body)![1]!, 'http://api');
  return [...page.body.matchAll(/<(?:link|script)[^>]* (?:href|src)="(?!data:)([^"]+)"/g)].map(
    ([, name]) => new URL(name!, base).pathname,
  );
}

describe.each(PAGES)('the page at %s', (path) => {
  it('may run its own scripts only, none inline, and is asked for again each time', async () => {
    const page = await pageAt(path);
    expect(page.statusCode).toBe(200);
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
    const policy = String(page.headers['content-security-policy']).split('; ');
    expect(policy).toEqual(
      expect.arrayContaining(["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"]),
    );
    expect(policy.join()).not.toMatch(/unsafe|\*/);
    expect(page.body).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|javascript:/);
  });

  it('says what it needs if JavaScript is off, in both languages', async () => {
    const [, text = ''] = /<noscript>(.*)<\/noscript>/s.exec((await pageAt(path)).body)!;
    expect(text).toMatch(/needs JavaScript/);
    expect(text).toMatch(/lang="zh-CN">此页面需要 JavaScript/);
  });

  it('loads at most 100 kB, of files that are kept for good', async () => {
    const page = await pageAt(path);
    const files = [...new Set(filesOf(page))];
    expect(files.length).toBeGreaterThan(2);
    const answers = await Promise.all(files.map((file) => app.get(file, { 'accept-encoding': 'gzip, deflate, br' })));
    for (const { statusCode, headers } of answers) {
      expect(statusCode).toBe(200);
      expect(headers).toMatchObject({
        'cache-control': 'public, max-age=31536000, immutable',
        'content-encoding': 'br',
        'content-type': expect.stringMatching(/^text\/(?:javascript|css); charset=utf-8$/),
        vary: 'accept-encoding',
      });
    }
    const bytes = answers.reduce((sum, { rawPayload }) => sum + rawPayload.length, page.rawPayload.length);
    expect(bytes).toBeLessThanOrEqual(FIRST_LOAD_BYTES_MAX);
  });
});

describe('the files of the pages', () => {
  /** Every module that a page loads, at once or later, by following its imports. */
  async function allModules(): Promise<Map<string, string>> {
    const modules = new Map<string, string>();
    const add = async (path: string): Promise<void> => {
      if (modules.has(path) || !path.endsWith('.js')) return;
      const answer = await app.get(path);
      expect([path, answer.statusCode]).toEqual([path, 200]);
      modules.set(path, answer.body);
      const names = answer.body.matchAll(/(?:from\s*|import\s*\(?\s*|new URL\()["'](\.[^"']+)["']/g);
      for (const [, name] of names) await add(new URL(name!, `http://api${path}`).pathname);
    };
    for (const path of PAGES) for (const file of filesOf(await pageAt(path))) await add(file);
    return modules;
  }

  it('are JavaScript without types, and import nothing by a name that a browser cannot resolve', async () => {
    const modules = await allModules();
    expect(modules.size).toBeGreaterThan(3);
    for (const text of modules.values()) {
      expect(text.replaceAll(/\/\*.*?\*\//gs, '')).not.toMatch(/^import type|\bfrom\s*["'](?!\.)[^"']+["'];?$/m);
    }
  });

  it('are all named before they are needed, so that a page does not load them one after another', async () => {
    for (const path of PAGES) {
      const named = filesOf(await pageAt(path));
      for (const file of named.filter((name) => name.endsWith('.js'))) {
        const { body } = await app.get(file);
        const imported = [...body.matchAll(/^(?:import|export|\}) ?(?:[^'"\n]* ?from ?)?['"](\.[^'"]+)['"]/gm)];
        for (const [, name] of imported) expect(named).toContain(new URL(name!, `http://api${file}`).pathname);
      }
    }
  });

  it('come in the coding that the client accepts', async () => {
    const [file] = filesOf(await pageAt('/')).filter((name) => name.endsWith('.js'));
    const plain = await app.get(file!);
    expect(plain.headers['content-encoding']).toBeUndefined();
    const gzip = await app.get(file!, { 'accept-encoding': 'gzip, br;q=0' });
    expect(gzip.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(gzip.rawPayload)).toEqual(plain.rawPayload);
    const br = await app.get(file!, { 'accept-encoding': 'br' });
    expect(brotliDecompressSync(br.rawPayload)).toEqual(plain.rawPayload);
  });

  it('are served under the hash of another version too, but not kept: an upgrade is going on', async () => {
    const [file] = filesOf(await pageAt('/'));
    const other = await app.get(file!.replace(/^\/assets\/[^/]+/, '/assets/anotherVersion'));
    expect(other.statusCode).toBe(200);
    expect(other.headers['cache-control']).toBe('no-store');
  });

  it.each(['/assets/x/nope.js', '/assets/x/..%2f..%2fpackage.json', '/assets/x/storefront/main.ts', '/assets/x/'])(
    'do not include %s',
    async (path) => {
      expect((await app.get(path)).statusCode).toBe(404);
    },
  );
});

describe('who gets which page', () => {
  it('has no storefront unless the settings want one; the console asks for the operator token itself', async () => {
    const without = await openApp(context, { STOREFRONT: 'false' });
    try {
      for (const path of ['/', '/sales', '/sales/1', '/orders']) expect((await without.get(path)).statusCode).toBe(404);
      expect((await without.get('/console')).statusCode).toBe(200);
    } finally {
      await without.close();
    }
  });

  it('names its files below the path that a proxy adds', async () => {
    const behind = await openApp(context, { PUBLIC_URL: 'https://shop.example.com/a-sale' });
    try {
      const page = await behind.get('/sales/1');
      expect(page.body).toContain('<base href="/a-sale/">');
      for (const file of filesOf(page)) {
        expect(file).toMatch(/^\/a-sale\/assets\//);
        expect((await behind.get(file)).statusCode).toBe(200);
      }
    } finally {
      await behind.close();
    }
  });
});
