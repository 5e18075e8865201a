import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Browser } from 'playwright-core';
import { writeOrders } from '@flash-sale/shared/admission/order-jobs.ts';
import { noiseOf, openChromium } from '../../../../infra/src/services/chromium.ts';
import { listen } from '../attacks/raw-connection.ts';
import { OPERATOR_TOKEN, openApp, openTestContext, type TestApp, type TestContext } from '../../testing/support.ts';

let context: TestContext;
let app: TestApp;
let browser: Browser;
let origin: string;

// A machine without Chromium gets it first.
const INSTALL_MS_MAX = 300_000;

beforeAll(async () => {
  browser = await openChromium(() => undefined);
  context = await openTestContext();
  app = await openApp(context);
  origin = `http://127.0.0.1:${await listen(app)}`;
  await context.openSale();
}, INSTALL_MS_MAX);

afterAll(async () => {
  await browser.close();
  await app.close();
  await context.close();
});

/** Opens a page like an operator, reads it, and returns its errors. */
async function visit(path: string, texts: readonly (string | RegExp)[]): Promise<string[]> {
  const tab = await browser.newContext({
    httpCredentials: { username: 'lin', password: OPERATOR_TOKEN, send: 'always' },
  });
  try {
    const page = await tab.newPage();
    const noise = noiseOf(page, origin);
    await page.goto(`${origin}${path}`);
    for (const text of texts) await page.getByText(text).first().waitFor();
    await page.waitForLoadState('networkidle');
    return noise;
  } finally {
    await tab.close();
  }
}

describe('a page in a browser sends no request to other sites, and has no error in its console', () => {
  it.each([
    ['/docs', ['/api/v1/seckill/buy']],
    ['/admin/queues', ['Orders, shard 0']],
    ['/admin/queues/queue/orders-shard-0', [/sale 1 · 1 order/]],
  ])('%s', async (path, texts) => {
    const { name, data, opts } = writeOrders({ id: 1, shard: 0 }, 'job-in-a-browser', 1);
    await app.deps.queue(0).add(name, data, opts);
    expect(await visit(path, texts)).toEqual([]);
  });
});
