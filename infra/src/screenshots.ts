import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createConnection } from 'mysql2/promise';
import type { Browser, Page } from 'playwright-core';
import { readCommandLine } from '@flash-sale/shared/platform/process/command-line.ts';
import { openChromium } from './services/chromium.ts';
import { StartFailure } from './services/start-failure.ts';
import { print, runCommand } from './stack/command.ts';
import { readRunning } from './stack/running.ts';
import { startStack } from './stack/stack.ts';

/**
 * `npm run screenshots`: starts its own service, runs two small sales, and takes the pictures of
 * `docs/images/` with headless Chromium. In one of the sales orders cannot be written, since a
 * session locks its row in MySQL like a forgotten transaction: so the pictures show waiting jobs.
 */
const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url));
const OPERATOR_TOKEN = 'operator-token-of-the-screenshots';
const SHOPPERS = 600;
const AT_ONCE = 50;
const ACTIONS_MS_MAX = 30_000;
/** A room is loaded within a round of its gate. */
const JOIN_TRIES_MAX = 100;
const JOIN_AGAIN_MS = 100;
const SIZE = { width: 1_280, height: 900 };

await readCommandLine({
  usage: 'npm run screenshots',
  summary: 'Starts a private service and takes the pictures in docs/images/ with headless Chromium.',
});

await runCommand(async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flash-sale-screenshots-'));
  try {
    await using stack = await startStack({
      dataDir,
      // Do not use servers that the environment names.
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        SERVER_HOST: '127.0.0.1',
        SERVER_PORT: '0',
        API_OPS_PORT: '0',
        WORKER_OPS_PORT: '0',
        ADMIN_TOKEN: OPERATOR_TOKEN,
        WORKER_CONCURRENCY: '4',
        EVENT_LOOP_DELAY_MAX_MS: '60000',
      },
      mains: { api: main('api'), worker: main('worker') },
      print,
      signal: new AbortController().signal,
    });
    mkdirSync(IMAGES, { recursive: true });
    const browser = await openChromium(print);
    try {
      // First, while nothing keeps the orders from being written.
      await takeStorefront(browser, stack.url);
      await takeWaitingRoom(browser, stack.url);
      await takeConsole(browser, stack.url);
      await using held = await holdSale(stack.url, readRunning(dataDir)!);
      await Promise.all([sellTo(stack.url, held.other_sale_id), sellTo(stack.url, held.sale_id)]);
      await takePictures(browser, stack.url);
    } finally {
      await browser.close();
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});

function main(name: string): string {
  return fileURLToPath(new URL(`../../packages/${name}/src/main.ts`, import.meta.url));
}

async function takePictures(browser: Browser, url: string): Promise<void> {
  const context = await browser.newContext({
    viewport: SIZE,
    colorScheme: 'light',
    locale: 'en-GB',
    timezoneId: 'UTC',
    httpCredentials: { username: 'operator', password: OPERATOR_TOKEN },
  });
  const page = await context.newPage();
  page.setDefaultTimeout(ACTIONS_MS_MAX);
  page.on('pageerror', (error) => print(`the page fails: ${error.message}`));

  await page.goto(`${url}/admin/queues/queue/orders-shard-0?status=delayed`);
  // A job that was retried shows its error.
  await page
    .getByText(/Lock wait timeout/)
    .first()
    .waitFor();
  await save(page, 'queue-dashboard.png');
  await page.goto(`${url}/docs`);
  await page.getByText('/api/v1/seckill/buy').first().waitFor();
  await save(page, 'api-docs.png');
}

async function openPage(browser: Browser, url: string, viewport: { width: number; height: number }): Promise<Page> {
  const context = await browser.newContext({ viewport, colorScheme: 'light', locale: 'en-GB', timezoneId: 'UTC' });
  const page = await context.newPage();
  page.setDefaultTimeout(ACTIONS_MS_MAX);
  page.on('pageerror', (error) => print(`the page fails: ${error.message}`));
  await page.goto(url);
  return page;
}

/** The page of a sale, for a shopper who is signed in. */
async function openSalePage(browser: Browser, url: string, height: number): Promise<Page> {
  const page = await openPage(browser, url, { width: 1_080, height });
  await page.getByLabel('Your name').fill('alice');
  await page.getByRole('button', { name: 'Continue' }).click();
  return page;
}

/** A shopper has bought a unit, and has not paid yet. */
async function takeStorefront(browser: Browser, url: string): Promise<void> {
  const saleId = await openSale(url, 'Headphones');
  const page = await openSalePage(browser, `${url}/sales/${saleId}`, 640);
  await page.getByRole('button', { name: 'Buy now' }).click();
  await page.getByText('It is yours').waitFor();
  await save(page, 'storefront.png');
}

/** A shopper waits in a waiting room: a crowd came before, and one a second is called. */
async function takeWaitingRoom(browser: Browser, url: string): Promise<void> {
  const opensAt = new Date(Date.now() - 60_000).toISOString();
  const saleId = await openSale(url, 'Game console', { opens_at: opensAt, admit_per_second: 1 });
  const queue = `${url}/api/v1/seckill/queue`;
  for (let tries = 0; tries < JOIN_TRIES_MAX; tries += 1) {
    const joined = await call(queue, { user_id: 'shopper-0', product_id: saleId }).catch(() => undefined);
    if (joined !== undefined) break;
    await delay(JOIN_AGAIN_MS);
  }
  for (let i = 1; i < SHOPPERS; i += 1) await call(queue, { user_id: `shopper-${i}`, product_id: saleId });
  const page = await openSalePage(browser, `${url}/sales/${saleId}`, 720);
  await page.getByRole('button', { name: 'Join the waiting room' }).click();
  await page.getByText('people are ahead of you').waitFor();
  await save(page, 'waiting-room.png');
}

/** A crowd buys, and an operator watches. */
async function takeConsole(browser: Browser, url: string): Promise<void> {
  const page = await openPage(browser, `${url}/console`, SIZE);
  await page.getByLabel('Operator token').fill(OPERATOR_TOKEN);
  await page.getByLabel('Your name').fill('operator');
  await page.getByRole('button', { name: 'Sign in' }).click();
  const saleId = await openSale(url, 'Camera');
  const row = page.getByRole('row').filter({ hasText: 'Camera' });
  await row.waitFor();
  await sellTo(url, saleId);
  await row
    .locator('[data-total=accepted]')
    .filter({ hasText: String(SHOPPERS) })
    .waitFor();
  await save(page, 'console.png');
}

async function save(page: Page, name: string): Promise<void> {
  // Without animations, which would change the picture each time.
  await page.screenshot({ path: join(IMAGES, name), animations: 'disabled' });
  print(`wrote docs/images/${name}`);
}

/** Opens two sales, and prevents the orders of one from being written until it is disposed of. */
async function holdSale(url: string, settings: Record<string, string>) {
  const [saleId, otherSaleId] = [await openSale(url, 'Phone'), await openSale(url, 'Headphones')];
  const connection = await createConnection({
    host: settings['DB_HOST'] ?? '127.0.0.1',
    port: Number(settings['DB_PORT'] ?? 3_306),
    user: settings['DB_USER'] ?? 'root',
    password: settings['DB_PASSWORD'] ?? '',
    database: settings['DB_NAME'] ?? 'seckill',
  });
  await connection.beginTransaction();
  await connection.query('SELECT id FROM products WHERE id = ? FOR UPDATE', [saleId]);
  return {
    sale_id: saleId,
    other_sale_id: otherSaleId,
    [Symbol.asyncDispose]: () => connection.end(),
  };
}

async function openSale(url: string, name: string, waitingRoom?: object): Promise<number> {
  const nowMs = Date.now();
  const sale = await call<{ id: number }>(`${url}/api/v1/admin/products`, {
    name,
    price: 199.99,
    stock: 10_000,
    seckill_stock: 10_000,
    start_time: new Date(nowMs).toISOString(),
    end_time: new Date(nowMs + 3_600_000).toISOString(),
    waiting_room: waitingRoom,
  });
  return sale.id;
}

/** All shoppers buy, some at a time. */
async function sellTo(url: string, productId: number): Promise<void> {
  const waiting = Array.from({ length: SHOPPERS }, (_, i) => `shopper-${i}`);
  const next = async (): Promise<void> => {
    for (let userId = waiting.pop(); userId !== undefined; userId = waiting.pop()) {
      const { token } = await call<{ token: string }>(`${url}/api/v1/seckill/token`, {
        user_id: userId,
        product_id: productId,
      });
      await call(`${url}/api/v1/seckill/buy`, { user_id: userId, product_id: productId, token });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
}

async function call<Answer>(url: string, body: object): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${OPERATOR_TOKEN}` },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ACTIONS_MS_MAX),
  });
  if (!response.ok) throw new StartFailure(`${url} answers ${response.status} ${await response.text()}`);
  return (await response.json()) as Answer;
}
