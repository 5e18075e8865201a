import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPERATOR_TOKEN } from '@flash-sale/api/testing/support.ts';
import { Shoppers } from '@flash-sale/api/testing/shoppers.ts';
import { accessibilityFaults, openStage, press, type Stage } from './support.ts';
import { buy, confirm, heading, messageOf, signIn, statusOf } from './operating.ts';

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

  it('works in a browser that blocks storage, until the page is loaded again', async () => {
    const { page, context } = await stage.open('/healthz');
    await context.addInitScript(() => {
      const get = () => {
        throw new DOMException('blocked', 'SecurityError');
      };
      for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(globalThis, name, { get });
    });
    await page.goto(`${stage.url}/console#/orders/%zz`);
    await page.getByLabel('Operator token').fill(OPERATOR_TOKEN);
    await press(page, 'Sign in');
    await page.getByRole('link', { name: 'Live', exact: true }).click();
    await heading(page, 'Live sales');
    await press(page, 'Sign out');
    await expect.poll(() => page.getByLabel('Operator token').isVisible()).toBe(true);
  });

  it('shows charts that move while orders are made, and the processes', async () => {
    const sale = await stage.createSale({ units: 50, name: 'In the chart' });
    const { page, noise } = await signIn(stage);
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
    for (let i = 0; i < 10; i += 1) await buy(shoppers, sale, `chart-${i}`);
    await expect.poll(() => row.locator('[data-total=accepted]').textContent()).toBe('10');
    expect((await rates.jsonValue()).some((text) => Number(text) > 0)).toBe(true);
    expect(await picture()).not.toBe(before);
    expect(noise()).toEqual([]);
  });

  it('runs a sale from its creation to its end, and shows who did what', async () => {
    const { page, noise } = await signIn(stage, OPERATOR_TOKEN, '/console#/sales');
    await press(page, 'Create a sale');
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Made here');
    await dialog.getByLabel('Price').fill('12.50');
    await dialog.getByLabel('Units per shopper').fill('2');
    await dialog.getByLabel('Description').fill('Two\nlines');
    await expect.poll(() => dialog.locator('.effect').textContent()).toMatch(/100 units at 12.5 each, at most 2 to/);
    await dialog.getByRole('button', { name: 'Create', exact: true }).click();
    await heading(page, /Made here/);
    const sale = Number(/#\/sales\/(\d+)/.exec(page.url())![1]);
    expect(await statusOf(stage, sale)).toMatchObject({ status: 'scheduled', price: 12.5, units_per_shopper: 2 });

    await press(page, 'Edit');
    await dialog.getByLabel('Name').fill('Edited here');
    await dialog.getByLabel('Price').fill('9.99');
    await dialog.getByLabel('Units per shopper').fill('3');
    const effect = dialog.locator('.effect');
    await expect.poll(() => effect.textContent()).toMatch(/changes Name, Price, Units per shopper of sale/);
    await dialog.getByRole('button', { name: 'Edit', exact: true }).click();
    await heading(page, /Edited here/);
    await expect.poll(() => messageOf(page).textContent()).toBe('Done: Edit');
    expect(await statusOf(stage, sale)).toMatchObject({
      name: 'Edited here',
      price: 9.99,
      units_per_shopper: 3,
      description: 'Two\nlines',
    });

    await confirm(page, 'Pause', /every buy is refused/);
    await expect.poll(() => messageOf(page).textContent()).toBe('Done: Pause');
    await press(page, 'Add units');
    await dialog.getByLabel('New total of units').fill('120');
    await dialog.getByRole('button', { name: 'Add units' }).click();
    await expect.poll(() => statusOf(stage, sale)).toMatchObject({ seckill_stock: 120, available: 120 });
    await expect.poll(() => messageOf(page).textContent()).toBe('Done: Add units');
    await confirm(page, 'Audit', /compares sale/);
    await expect.poll(() => messageOf(page).textContent()).toContain('clean');
    await confirm(page, 'Repair', /rebuilds it if they differ/);
    await confirm(page, 'Rebuild', /from the ledger/);
    await confirm(page, 'End now', /cannot be undone/);
    await expect.poll(() => statusOf(stage, sale)).toMatchObject({ status: 'ended' });
    await confirm(page, 'Delete', /cannot be undone/);
    await heading(page, 'All sales');
    // The message of an action is shown in the view that it opens, and not in the next one.
    await expect.poll(() => messageOf(page).textContent()).toContain('Delete');
    expect((await fetch(`${stage.url}/api/v1/products/${sale}`)).status).toBe(404);

    await page.getByRole('link', { name: 'Changes' }).click();
    await heading(page, 'What operators did');
    expect(await messageOf(page).textContent()).toBe('');
    const mine = page.getByRole('row').filter({ hasText: `product ${sale}` });
    await expect
      .poll(() => mine.locator('td:nth-child(3)').allTextContents())
      .toEqual(['delete', 'end', 'rebuild', 'repair', 'audit', 'top_up', 'pause', 'edit', 'create']);
    expect(await mine.first().locator('td:nth-child(2)').textContent()).toBe('小明');
    // The browser is British, not American.
    expect(await mine.first().locator('td:nth-child(1)').textContent()).toMatch(/^\d\d\/\d\d\/20\d\d, \d\d:\d\d:\d\d$/);
    expect(noise()).toEqual([]);
  });

  it('keeps what is typed in a dialog while the figures behind it move', async () => {
    const sale = await stage.createSale({ units: 5 });
    const { page } = await signIn(stage, OPERATOR_TOKEN, `/console#/sales/${sale}`);
    const status = page.locator('h1 + p .badge');
    await expect.poll(() => status.textContent()).toBe('open');
    await press(page, 'Add units');
    const total = page.getByRole('dialog').getByLabel('New total of units');
    await total.fill('9');
    await stage.operate(`products/${sale}/pause`);
    await expect.poll(() => status.textContent()).toBe('paused');
    expect(await total.inputValue()).toBe('9');
  });

  it('resumes a paused sale, and says why something is refused', async () => {
    const sale = await stage.createSale({ units: 5 });
    await stage.operate(`products/${sale}/pause`);
    const { page } = await signIn(stage, OPERATOR_TOKEN, `/console#/sales/${sale}`);
    await confirm(page, 'Resume', /5 units can be bought again/);
    await buy(shoppers, sale, 'resumed');
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
    expect(await statusOf(stage, sale)).toMatchObject({ status: 'open' });

    const dear = await stage.createSale({ startsInMs: 3_600_000, name: 'Dear' });
    await page.goto(`${stage.url}/console#/sales/${dear}`);
    await heading(page, /Dear/);
    await press(page, 'Edit');
    await dialog.getByLabel('Price').fill('999999.99');
    await dialog.getByLabel('Units per shopper').fill('2');
    await dialog.locator('button[type=submit]').click();
    await expect.poll(() => dialog.getByRole('alert').textContent()).toMatch(/must be at most 999999\.99/);
  });

  it('lets a viewer read everything and change nothing', async () => {
    const sale = await stage.createSale({ units: 5 });
    const { page } = await signIn(stage, VIEWER_TOKEN, `/console#/sales/${sale}`);
    await page.getByText('You are signed in as a viewer').waitFor();
    await heading(page, new RegExp(`Sale ${sale}`));
    for (const view of ['Live', 'Sales', 'Orders', 'Problems', 'Shoppers', 'Changes']) {
      await page.getByRole('link', { name: view, exact: true }).click();
      await page.getByRole('link', { name: view, exact: true }).and(page.locator('[aria-current=page]')).waitFor();
      expect(await page.getByRole('button', { name: /Create|Pause|Delete|Deny|Erase|Rotate|Discard/ }).count()).toBe(0);
    }
    // Also if the page is made to call.
    const refused = await page.evaluate(async (id) => {
      const kept = JSON.parse(sessionStorage.getItem('flash-sale:operator')!) as { token: string };
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
    const { page } = await signIn(stage, OPERATOR_TOKEN, `/console#/sales/${sale}`);
    await page.getByRole('button', { name: 'Pause', exact: true }).waitFor();
    for (let i = 0; i < 60; i += 1) {
      await page.keyboard.press('Tab');
      if ((await page.evaluate(() => document.activeElement?.textContent)) === 'Pause') break;
    }
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Enter');
    await expect.poll(() => statusOf(stage, sale)).toMatchObject({ status: 'paused' });
  });

  it('comes back by itself when the connection is lost', async () => {
    const { page } = await signIn(stage);
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
      const sale = await stage.createSale({ units: 5, name: `Narrow ${'W'.repeat(190)}` });
      const orderNo = await buy(shoppers, sale, `axe-${colorScheme}`);
      const viewport = { width: 360, height: 740 };
      const start = await stage.open('/console', { colorScheme, viewport });
      await start.page.getByLabel('Operator token').waitFor();
      expect(await accessibilityFaults(start.page)).toEqual([]);
      const { page, noise } = await signIn(stage, OPERATOR_TOKEN, '/console', { colorScheme, viewport });
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
        // A long name does not push the figures out of sight.
        const links = await page.locator('td a').all();
        for (const link of links) expect((await link.boundingBox())!.width).toBeLessThanOrEqual(320);
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
