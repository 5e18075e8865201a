import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPERATOR_TOKEN } from '@flash-sale/api/testing/support.ts';
import { Shoppers } from '@flash-sale/api/testing/shoppers.ts';
import { openStage, press, type Stage } from './support.ts';
import { buy, confirm, heading, isReturned, pay, signIn } from './operating.ts';

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
  it('finds orders, shows the history of one, refunds it, and saves a CSV file', async () => {
    const sale = await stage.createSale({ units: 5, name: 'With orders' });
    const paid = await buy(shoppers, sale, 'payer');
    const open = await buy(shoppers, sale, 'waiter');
    const elsewhere = await buy(shoppers, await stage.createSale({ name: 'Another sale' }), 'waiter');
    await pay(shoppers, paid, 'payer');
    const { page, noise } = await signIn(stage, OPERATOR_TOKEN, `/console#/sales/${sale}`);
    await page.getByRole('link', { name: 'Orders of this sale' }).click();
    await expect.poll(() => page.getByLabel('Sale').inputValue()).toBe(String(sale));
    await page.getByRole('link', { name: paid }).waitFor();
    await page.getByRole('link', { name: open }).waitFor();
    expect(await page.getByRole('link', { name: elsewhere }).count()).toBe(0);

    const download = page.waitForEvent('download');
    await press(page, 'Download as CSV');
    expect((await download).url()).not.toContain(OPERATOR_TOKEN);
    expect((await download).suggestedFilename()).toBe(`orders-${sale}.csv`);
    await page.getByText('The download has begun').waitFor();
    const stream = await (await download).createReadStream();
    let csv = '';
    for await (const chunk of stream.setEncoding('utf8')) csv += chunk as string;
    expect(csv.split('\r\n')).toHaveLength(4);
    expect(csv).toContain(`${open},${sale},waiter,pending_payment,`);

    // Typed key by key: a text set at once is not held by the longest text of the field.
    await page.getByLabel('Order number').pressSequentially(open);
    await press(page, 'Find');
    await expect.poll(() => page.getByRole('link', { name: paid }).count()).toBe(0);
    await page.getByRole('link', { name: open }).waitFor();
    await page.getByLabel('Order number').fill('');

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
    const { page, noise } = await signIn(stage, OPERATOR_TOKEN, '/console#/shoppers');
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
    const orderNo = await buy(shoppers, sale, 'private-person');
    const { page } = await signIn(stage, OPERATOR_TOKEN, '/console#/shoppers');
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
    await expect.poll(() => isReturned(stage, orderNo)).toBe(true);
    await dialog.locator('button[type=submit]').click();
    await dialog.waitFor({ state: 'detached' });
    expect(await stage.ordersOf(sale)).toMatchObject([{ user_id: expect.stringMatching(/^erased /) as string }]);
  });
});
