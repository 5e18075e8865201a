import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import { startService, type Service } from '@flash-sale/api/testing/service.ts';
import { openTestContext, OPERATOR_TOKEN, type TestContext } from '@flash-sale/api/testing/support.ts';
import { noiseOf, openChromium } from '../../../../infra/src/services/chromium.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const ACTIONS_MS_MAX = 20_000;
/**
 * A page in use refuses nothing but this: a buy that comes too early, or for a sale that is sold
 * out.
 */
const EXPECTED_REFUSAL =
  /^409: \S*\/seckill\/buy$|^console: Failed to load resource: the server responded with a status of 409/;

/** A page with what it must not have. */
export interface Shopper {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of scripts, refused by the policy, failed requests, requests to other origins. */
  readonly noise: () => string[];
}

/** A whole service and a browser. */
export interface Stage {
  readonly service: Service;
  readonly context: TestContext;
  readonly url: string;
  open(path: string, options?: BrowserContextOptions): Promise<Shopper>;
  /** Opens a page as a shopper whose name is known. */
  openAs(name: string, path: string, options?: BrowserContextOptions): Promise<Shopper>;
  createSale(fields?: {
    readonly units?: number;
    readonly unitsPerShopper?: number;
    readonly startsInMs?: number;
    readonly name?: string;
    readonly waitingRoom?: { readonly opens_at: string };
  }): Promise<number>;
  operate<Answer>(path: string, body?: object): Promise<Answer>;
  /** The orders of a sale that are in the ledger. */
  ordersOf(saleId: number): Promise<
    readonly {
      readonly order_no: string;
      readonly user_id: string;
      readonly status: string;
      readonly quantity: number;
    }[]
  >;
  close(): Promise<void>;
}

export async function openStage(env: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const context = await openTestContext();
  const [service, browser] = await Promise.all([
    startService(context, { apis: 1, workers: 1, env }),
    openChromium(() => undefined),
  ]);
  const url = service.url.origin;
  const opened: BrowserContext[] = [];

  async function operate<Answer>(path: string, body?: object): Promise<Answer> {
    const response = await fetch(`${url}/api/v1/admin/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${OPERATOR_TOKEN}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text) as Answer;
  }

  async function open(path: string, options: BrowserContextOptions = {}): Promise<Shopper> {
    const shopper = await openShopper(browser, url, options);
    opened.push(shopper.context);
    await shopper.page.goto(url + path);
    return shopper;
  }

  return {
    service,
    context,
    url,
    operate,
    open,
    async openAs(name, path, options) {
      const shopper = await openShopper(browser, url, options);
      opened.push(shopper.context);
      await shopper.context.addInitScript(
        (kept) => localStorage.setItem('flash-sale:name', kept),
        JSON.stringify(name),
      );
      await shopper.page.goto(url + path);
      return shopper;
    },
    async createSale({ units = 1, unitsPerShopper = 1, startsInMs = 0, name = 'Phone', waitingRoom } = {}) {
      const startMs = Date.now() + startsInMs;
      const { id } = await operate<{ id: number }>('products', {
        name,
        price: 199.99,
        stock: units,
        seckill_stock: units,
        units_per_shopper: unitsPerShopper,
        start_time: new Date(startMs).toISOString(),
        end_time: new Date(startMs + 3_600_000).toISOString(),
        waiting_room: waitingRoom,
      });
      return id;
    },
    ordersOf: (saleId) =>
      context.db
        .selectFrom('orders')
        .select(['order_no', 'user_id', 'status', 'quantity'])
        .where('product_id', '=', saleId)
        .execute(),
    async close() {
      for (const one of opened) await one.close();
      await browser.close();
      await service.stop();
      await context.close();
    },
  };
}

async function openShopper(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Shopper> {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  context.setDefaultTimeout(ACTIONS_MS_MAX);
  const page = await context.newPage();
  const noise = noiseOf(page, url);
  return { page, context, noise: () => noise.filter((line) => !EXPECTED_REFUSAL.test(line)) };
}

/** What axe finds on a page, in lines that a failing test can show. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; help: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id} (${help}): ${html}`));
  });
}

/** The text that the page says about the purchase. */
export const said = (page: Page) => page.locator('.panel .say');

/** Waits until the page says this about the purchase. */
export async function says(page: Page, text: string): Promise<void> {
  await expect.poll(() => said(page).textContent()).toContain(text);
}

export const press = (page: Page, name: string | RegExp): Promise<void> => page.getByRole('button', { name }).click();

/** The names of the buttons of a sale. */
export const names = { armed: 'Buy when it starts', buy: 'Buy now', pay: /^Pay /, cancel: 'Cancel the order' };

export const orderNumber = async ({ page }: Shopper): Promise<string> =>
  (await page.locator('.panel .order-number').textContent())!.trim();
