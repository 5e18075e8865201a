import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Page } from 'playwright-core';
import { OPERATOR_TOKEN } from '@flash-sale/api/testing/support.ts';
import { Shoppers } from '@flash-sale/api/testing/shoppers.ts';
import { accessibilityFaults, openStage, press, type Shopper, type Stage } from './support.ts';

const VIEWER_TOKEN = 'the-viewers-own-token';

let stage: Stage;
let shoppers: Shoppers;

beforeAll(async () => {
  stage = await openStage({ VIEWER_TOKEN, TOKEN_SECRETS: '' });
  shoppers = new Shoppers(stage.service.url);
});

afterAll(async () => {
  shoppers?.close();
  await stage?.close();
});

/** Signs in at the console. */
async function signIn(token = OPERATOR_TOKEN, path = '/console', options = {}): Promise<Shopper> {
  const opened = await stage.open(path, options);
  await opened.page.getByLabel('Operator token').fill(token);
  await opened.page.getByLabel('Your name').fill('小明');
  await press(opened.page, 'Sign in');
  await opened.page.getByRole('navigation').waitFor();
  return opened;
}

/** Presses a button, reads what the dialog says, and confirms. */
async function confirm(page: Page, name: string, effect: RegExp): Promise<void> {
  await page.getByRole('button', { name, exact: true }).click();
  const dialog = page.getByRole('dialog');
  await expect.poll(() => dialog.locator('.effect').textContent()).toMatch(effect);
  await dialog.locator('button[type=submit]').click();
  await dialog.waitFor({ state: 'detached' });
}

const messageOf = (page: Page) => page.locator('.message');
const heading = (page: Page, text: string | RegExp) => page.getByRole('heading', { level: 1, name: text }).waitFor();

/** Buys and waits until the order is in the ledger. */
async function buy(sale: number, user: string): Promise<string> {
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
async function pay(orderNo: string, user: string): Promise<void> {
  await shoppers.call('POST', `/api/v1/orders/${orderNo}/pay`, { user_id: user });
  await expect
    .poll(async () => JSON.parse((await shoppers.call('GET', `/api/v1/orders/${orderNo}`)).body) as object)
    .toMatchObject({ status: 'paid' });
}

/** Whether the unit of a closed order is back on sale. */
async function isReturned(orderNo: string): Promise<boolean> {
  const { db } = stage.context;
  const row = await db
    .selectFrom('stock_returns')
    .select('applied_at')
    .where('order_no', '=', orderNo)
    .executeTakeFirst();
  return row !== undefined && row.applied_at !== null;
}

const statusOf = async (sale: number): Promise<Record<string, unknown>> =>
  (await (await fetch(`${stage.url}/api/v1/products/${sale}`)).json()) as Record<string, unknown>;

describe('the console', () => {
  it('refuses a wrong operator token, keeps the right one over a reload, and forgets it at the sign-out', async () => {
    const { page } = await stage.open('/console');
    await page.getByLabel('Operator token').fill('wrong');
    await press(page, 'Sign in');
    await page.getByText('This operator token is not valid.').waitFor();
    await page.getByLabel('Operator token').fill(OPERATOR_TOKEN);
    await press(page, 'Sign in');
    await heading(page, 'Live sales');
    await page.reload();
    await heading(page, 'Live sales');
    expect(await page.evaluate(() => localStorage.length)).toBe(0);
    await press(page, 'Sign out');
    await page.getByLabel('Operator token').waitFor();
    expect(await page.evaluate(() => JSON.stringify(sessionStorage))).not.toContain(OPERATOR_TOKEN);
  });

  it('shows charts that move while orders are made, and the processes', async () => {
    const sale = await stage.createSale({ units: 50, name: 'In the chart' });
    const { page, noise } = await signIn();
    const row = page.getByRole('row').filter({ hasText: 'In the chart' });
    await row.waitFor();
    await page
      .getByRole('row')
      .filter({ hasText: /^worker/ })
      .waitFor();
    await page.getByRole('row').filter({ hasText: /^api/ }).waitFor();
    const picture = () =>
      page.evaluate(() => [...document.querySelectorAll('canvas')].map((canvas) => canvas.toDataURL()).join());
    const before = await picture();
    // Every text that the figure takes, however short it stands there.
    const rates = await page.locator('[data-figure=accepted]').evaluateHandle((figure) => {
      const texts: string[] = [];
      const look = { characterData: true, childList: true, subtree: true };
      new MutationObserver(() => texts.push(figure.textContent)).observe(figure, look);
      return texts;
    });
    for (let i = 0; i < 10; i += 1) await buy(sale, `chart-${i}`);
    await expect.poll(() => row.locator('[data-total=accepted]').textContent()).toBe('10');
    expect((await rates.jsonValue()).some((text) => Number(text) > 0)).toBe(true);
    expect(await picture()).not.toBe(before);
    expect(noise()).toEqual([]);
  });

  it('runs a sale from its creation to its end, and shows who did what', async () => {
    const { page, noise } = await signIn(OPERATOR_TOKEN, '/console#/sales');
    await press(page, 'Create a sale');
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Made here');
    await dialog.getByLabel('Price').fill('12.50');
    await dialog.getByLabel('Description').fill('Two\nlines');
    await expect.poll(() => dialog.locator('.effect').textContent()).toMatch(/100 units at 12.5\b/);
    await dialog.getByRole('button', { name: 'Create', exact: true }).click();
    await heading(page, /Made here/);
    const sale = Number(/#\/sales\/(\d+)/.exec(page.url())![1]);
    expect(await statusOf(sale)).toMatchObject({ status: 'scheduled', price: 12.5, description: 'Two\nlines' });

    await press(page, 'Edit');
    await dialog.getByLabel('Name').fill('Edited here');
    await dialog.getByLabel('Price').fill('9.99');
    await expect.poll(() => dialog.locator('.effect').textContent()).toMatch(/changes Name, Price of sale/);
    await dialog.getByRole('button', { name: 'Edit', exact: true }).click();
    await heading(page, /Edited here/);
    expect(await statusOf(sale)).toMatchObject({ name: 'Edited here', price: 9.99, description: 'Two\nlines' });

    await confirm(page, 'Pause', /every buy is refused/);
    await press(page, 'Add units');
    await dialog.getByLabel('New total of units').fill('120');
    await dialog.getByRole('button', { name: 'Add units' }).click();
    await expect.poll(() => statusOf(sale)).toMatchObject({ seckill_stock: 120, available: 120 });
    await confirm(page, 'Audit', /compares sale/);
    await expect.poll(() => messageOf(page).textContent()).toContain('clean');
    await confirm(page, 'Repair', /builds it anew if they differ/);
    await confirm(page, 'Rebuild', /from the ledger/);
    await confirm(page, 'End now', /cannot be undone/);
    await expect.poll(() => statusOf(sale)).toMatchObject({ status: 'ended' });
    await confirm(page, 'Delete', /cannot be undone/);
    await heading(page, 'All sales');
    expect((await fetch(`${stage.url}/api/v1/products/${sale}`)).status).toBe(404);

    await page.getByRole('link', { name: 'Changes' }).click();
    await heading(page, 'What operators did');
    const mine = page.getByRole('row').filter({ hasText: `product ${sale}` });
    await expect
      .poll(() => mine.locator('td:nth-child(3)').allTextContents())
      .toEqual(['delete', 'end', 'rebuild', 'repair', 'audit', 'top_up', 'pause', 'edit', 'create']);
    expect(await mine.first().locator('td:nth-child(2)').textContent()).toBe('小明');
    expect(noise()).toEqual([]);
  });

  it('resumes a paused sale, and says why something is refused', async () => {
    const sale = await stage.createSale({ units: 5 });
    await stage.operate(`products/${sale}/pause`);
    const { page } = await signIn(OPERATOR_TOKEN, `/console#/sales/${sale}`);
    await confirm(page, 'Resume', /5 units can be bought again/);
    await buy(sale, 'resumed');
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    const dialog = page.getByRole('dialog');
    await dialog.locator('button[type=submit]').click();
    await expect.poll(() => dialog.getByRole('alert').textContent()).toMatch(/Not done\..*The sale has orders/);
    // What cannot be undone does not look like everything else.
    const [final, cancel] = await dialog
      .getByRole('button')
      .evaluateAll((buttons) => buttons.map((button) => getComputedStyle(button).backgroundColor));
    expect(final).not.toBe(cancel);
    // Escape cancels, and nothing is changed.
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect(await statusOf(sale)).toMatchObject({ status: 'open' });
  });

  it('finds orders, shows the history of one, refunds it, and saves a CSV file', async () => {
    const sale = await stage.createSale({ units: 5, name: 'With orders' });
    const paid = await buy(sale, 'payer');
    const open = await buy(sale, 'waiter');
    const elsewhere = await buy(await stage.createSale({ name: 'Another sale' }), 'waiter');
    await pay(paid, 'payer');
    const { page, noise } = await signIn(OPERATOR_TOKEN, `/console#/sales/${sale}`);
    await page.getByRole('link', { name: 'Orders of this sale' }).click();
    await expect.poll(() => page.getByLabel('Sale').inputValue()).toBe(String(sale));
    await page.getByRole('link', { name: paid }).waitFor();
    await page.getByRole('link', { name: open }).waitFor();
    expect(await page.getByRole('link', { name: elsewhere }).count()).toBe(0);

    const download = page.waitForEvent('download');
    await press(page, 'Download as CSV');
    const stream = await (await download).createReadStream();
    let csv = '';
    for await (const chunk of stream.setEncoding('utf8')) csv += chunk as string;
    expect(csv.split('\r\n')).toHaveLength(4);
    expect(csv).toContain(`${open},${sale},waiter,pending_payment,`);

    await page.getByLabel('Status').selectOption('paid');
    await press(page, 'Find');
    await expect.poll(() => page.getByRole('link', { name: open }).count()).toBe(0);
    await page.getByRole('link', { name: paid }).click();
    await heading(page, new RegExp(paid));
    await expect.poll(() => page.locator('.time-line li').count()).toBe(2);
    await confirm(page, 'Refund', /refunds 199.99 of order .* to payer/);
    await expect
      .poll(async () => {
        await press(page, 'Reload');
        return page.locator('.time-line').textContent();
      })
      .toContain('paid → refunded');
    expect(noise()).toEqual([]);
  });

  it('denies a shopper and lets them in again, and rotates the secret', async () => {
    const { page, noise } = await signIn(OPERATOR_TOKEN, '/console#/shoppers');
    await press(page, 'Deny a shopper or an address');
    const dialog = page.getByRole('dialog');
    expect(await dialog.locator('button[type=submit]').isDisabled()).toBe(true);
    await dialog.getByLabel('Shopper', { exact: true }).fill('mallory');
    await dialog.getByLabel('Reason').fill('bot');
    await expect.poll(() => dialog.locator('.effect').textContent()).toMatch(/every call of mallory, without an end/);
    await dialog.locator('button[type=submit]').click();
    await page.getByRole('row').filter({ hasText: 'mallory' }).waitFor();
    await confirm(page, 'Remove from the list', /lets mallory in again/);
    await expect.poll(() => page.getByRole('row').filter({ hasText: 'mallory' }).count()).toBe(0);

    await page.getByRole('link', { name: 'Problems' }).click();
    await heading(page, 'Problems');
    await confirm(page, 'Rotate the secret of seckill tokens', /Tokens of the old secret stay valid/);
    await confirm(page, 'Deliver dead events again', /delivers all dead/);
    await confirm(page, 'Discard dead events', /cannot be undone/);
    expect(noise()).toEqual([]);
  });

  it('exports the data of a shopper, and erases it once no order is live', async () => {
    const sale = await stage.createSale({ units: 5 });
    const orderNo = await buy(sale, 'private-person');
    const { page } = await signIn(OPERATOR_TOKEN, '/console#/shoppers');
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export', exact: true }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Shopper', { exact: true }).fill('private-person');
    await dialog.locator('button[type=submit]').click();
    const stream = await (await download).createReadStream();
    let json = '';
    for await (const chunk of stream.setEncoding('utf8')) json += chunk as string;
    expect(JSON.parse(json)).toMatchObject({ user_id: 'private-person', orders: [{ order_no: orderNo }] });

    await page.getByRole('button', { name: 'Erase', exact: true }).click();
    await dialog.getByLabel('Shopper', { exact: true }).fill('private-person');
    await expect.poll(() => dialog.locator('.effect').textContent()).toMatch(/erases the identity of shopper private-/);
    await dialog.locator('button[type=submit]').click();
    await expect.poll(() => dialog.getByRole('alert').textContent()).toMatch(/Not done\..*waits for payment/);
    expect(await stage.ordersOf(sale)).toMatchObject([{ user_id: 'private-person' }]);

    await shoppers.call('POST', `/api/v1/orders/${orderNo}/cancel`, { user_id: 'private-person' });
    await expect.poll(() => isReturned(orderNo)).toBe(true);
    await dialog.locator('button[type=submit]').click();
    await dialog.waitFor({ state: 'detached' });
    expect(await stage.ordersOf(sale)).toMatchObject([{ user_id: expect.stringMatching(/^erased /) as string }]);
  });

  it('lets a viewer read everything and change nothing', async () => {
    const sale = await stage.createSale({ units: 5 });
    const { page } = await signIn(VIEWER_TOKEN, `/console#/sales/${sale}`);
    await page.getByText('You are signed in as a viewer').waitFor();
    await heading(page, new RegExp(`Sale ${sale}`));
    for (const view of ['Live', 'Sales', 'Orders', 'Problems', 'Shoppers', 'Changes']) {
      await page.getByRole('link', { name: view, exact: true }).click();
      await page.getByRole('link', { name: view, exact: true }).and(page.locator('[aria-current=page]')).waitFor();
      expect(await page.getByRole('button', { name: /Create|Pause|Delete|Deny|Erase|Rotate|Discard/ }).count()).toBe(0);
    }
    // Also if the page is made to call.
    const refused = await page.evaluate(async (id) => {
      const kept = JSON.parse(sessionStorage.getItem('flash-sale-operator')!) as { token: string };
      const answer = await fetch(`api/v1/admin/products/${id}/end`, {
        method: 'POST',
        headers: { authorization: `Bearer ${kept.token}` },
      });
      return answer.status;
    }, sale);
    expect(refused).toBe(403);
  });

  it('is used by keyboard alone', async () => {
    const sale = await stage.createSale({ units: 5 });
    const { page } = await signIn(OPERATOR_TOKEN, `/console#/sales/${sale}`);
    await page.getByRole('button', { name: 'Pause', exact: true }).waitFor();
    for (let i = 0; i < 60; i += 1) {
      await page.keyboard.press('Tab');
      if ((await page.evaluate(() => document.activeElement?.textContent)) === 'Pause') break;
    }
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Enter');
    await expect.poll(() => statusOf(sale)).toMatchObject({ status: 'paused' });
  });

  it('comes back by itself when the connection is lost', async () => {
    const { page } = await signIn();
    const connection = () => page.locator('.connection').textContent();
    await expect.poll(connection).toBe('Live');
    await stage.service.apis[0]!.kill();
    await expect.poll(connection).toContain('Connection lost');
    await stage.service.addApi();
    await expect.poll(connection).toBe('Live');
  });

  it('speaks Chinese', async () => {
    const { page, noise } = await stage.open('/console', { locale: 'zh-CN' });
    await page.getByLabel('操作员令牌').fill(OPERATOR_TOKEN);
    await press(page, '登录');
    await heading(page, '进行中的活动');
    await page.getByRole('link', { name: '订单' }).click();
    await heading(page, '订单');
    expect(await page.title()).toBe('秒杀控制台');
    expect(noise()).toEqual([]);
  });

  it.each(['light', 'dark'] as const)(
    'has no faults that axe can find, in %s mode, 360 px wide',
    async (colorScheme) => {
      const sale = await stage.createSale({ units: 5, name: 'Narrow' });
      const orderNo = await buy(sale, `axe-${colorScheme}`);
      const viewport = { width: 360, height: 740 };
      const start = await stage.open('/console', { colorScheme, viewport });
      await start.page.getByLabel('Operator token').waitFor();
      expect(await accessibilityFaults(start.page)).toEqual([]);
      const { page, noise } = await signIn(OPERATOR_TOKEN, '/console', { colorScheme, viewport });
      const headings = {
        live: 'Live sales',
        sales: 'All sales',
        [`sales/${sale}`]: 'Narrow',
        orders: 'Orders',
        [`orders/${orderNo}`]: orderNo,
        problems: 'Problems',
        shoppers: 'Shoppers',
        changes: 'What operators did',
      };
      for (const [place, title] of Object.entries(headings)) {
        await page.evaluate((hash) => {
          location.hash = hash;
        }, `#/${place}`);
        await heading(page, title);
        await expect.poll(() => page.locator('main').getByText('Loading').count()).toBe(0);
        expect(await accessibilityFaults(page)).toEqual([]);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(overflow).toBeLessThanOrEqual(0);
      }
      await page.evaluate((id) => {
        location.hash = `#/sales/${id}`;
      }, sale);
      await press(page, 'Edit');
      await page.getByRole('dialog').waitFor();
      expect(await accessibilityFaults(page)).toEqual([]);
      expect(noise()).toEqual([]);
    },
  );
});
