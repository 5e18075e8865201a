import { expect } from 'vitest';
import type { Page } from 'playwright-core';
import { OPERATOR_TOKEN } from '@flash-sale/api/testing/support.ts';
import { Shoppers } from '@flash-sale/api/testing/shoppers.ts';
import { press, type Shopper, type Stage } from './support.ts';

/** Signs in at the console. */
export async function signIn(stage: Stage, token = OPERATOR_TOKEN, path = '/console', options = {}): Promise<Shopper> {
  const opened = await stage.open(path, options);
  await opened.page.getByLabel('Operator token').fill(token);
  await opened.page.getByLabel('Your name').fill('小明');
  await press(opened.page, 'Sign in');
  await opened.page.getByRole('navigation').waitFor();
  return opened;
}

/** Presses a button, reads what the dialog says, and confirms. */
export async function confirm(page: Page, name: string, effect: RegExp): Promise<void> {
  await page.getByRole('button', { name, exact: true }).click();
  const dialog = page.getByRole('dialog');
  await expect.poll(() => dialog.locator('.effect').textContent()).toMatch(effect);
  await dialog.locator('button[type=submit]').click();
  await dialog.waitFor({ state: 'detached' });
}

export const messageOf = (page: Page) => page.locator('.message');
export const heading = (page: Page, text: string | RegExp) =>
  page.getByRole('heading', { level: 1, name: text }).waitFor();

/** Buys and waits until the order is in the ledger. */
export async function buy(shoppers: Shoppers, sale: number, user: string): Promise<string> {
  const { order_no: orderNo } = await shoppers.buyUntilDecided(
    sale,
    user,
    await shoppers.token(sale, user),
    () => undefined,
  );
  await shoppers.settled(orderNo!);
  return orderNo!;
}

/** Pays an order in the sandbox, and waits until it is paid. */
export async function pay(shoppers: Shoppers, orderNo: string, user: string): Promise<void> {
  await shoppers.call('POST', `/api/v1/orders/${orderNo}/pay`, { user_id: user });
  await expect
    .poll(async () => JSON.parse((await shoppers.call('GET', `/api/v1/orders/${orderNo}`)).body) as object)
    .toMatchObject({ status: 'paid' });
}

/** Whether the unit of a closed order is back on sale. */
export async function isReturned(stage: Stage, orderNo: string): Promise<boolean> {
  const { db } = stage.context;
  const row = await db
    .selectFrom('stock_returns')
    .select('applied_at')
    .where('order_no', '=', orderNo)
    .executeTakeFirst();
  return row !== undefined && row.applied_at !== null;
}

export const statusOf = async (stage: Stage, sale: number): Promise<Record<string, unknown>> =>
  (await (await fetch(`${stage.url}/api/v1/products/${sale}`)).json()) as Record<string, unknown>;
