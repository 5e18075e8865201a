import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessibilityFaults, openStage, press, says, type Stage, names } from './support.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
});

afterAll(async () => {
  await stage?.close();
});

describe('the storefront', () => {
  it('speaks Chinese if the browser does, and the language that is chosen from then on', async () => {
    const sale = await stage.createSale({ name: '茶壶' });
    const { page, noise } = await stage.open(`/sales/${sale}`, { locale: 'zh-CN' });
    await page.getByLabel('您的名字').fill('nan');
    await press(page, '继续');
    await press(page, '立即抢购');
    await says(page, '抢到了');
    expect(await page.getAttribute('html', 'lang')).toBe('zh-CN');
    await press(page, 'English');
    await says(page, 'It is yours');
    await page.reload();
    await says(page, 'It is yours');
    expect(await page.getAttribute('html', 'lang')).toBe('en');
    expect(noise()).toEqual([]);
  });

  it.each(['light', 'dark'] as const)('has no faults that axe can find, in %s mode', async (colorScheme) => {
    const running = await stage.createSale({ units: 5 });
    const coming = await stage.createSale({ units: 5, startsInMs: 600_000 });
    const { page, noise } = await stage.open('/', { colorScheme });
    await page.locator('.card').first().waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.goto(`${stage.url}/sales/${coming}`);
    await page.getByLabel('Your name').fill('two words');
    await press(page, 'Continue');
    await page.getByText('without spaces').waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.getByLabel('Your name').fill(`ola-${colorScheme}`);
    await press(page, 'Continue');
    await press(page, names.armed);
    await says(page, 'You are ready');
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.goto(`${stage.url}/sales/${running}`);
    await press(page, names.buy);
    await says(page, 'yours');
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.goto(`${stage.url}/orders`);
    await page.locator('.order-row').first().waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    expect(noise()).toEqual([]);
  });

  it('fits a screen of 360 px', async () => {
    const sale = await stage.createSale({
      name: 'A name that is long, and a word that is longer: Donaudampfschifffahrt',
    });
    const { page } = await stage.openAs('pia', `/sales/${sale}`, { viewport: { width: 360, height: 740 } });
    await press(page, names.buy);
    await says(page, 'yours');
    for (const path of [`/sales/${sale}`, '/', '/orders']) {
      await page.goto(stage.url + path);
      await page.locator('.sale, .card, .order-row').first().waitFor();
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    }
  });

  it('says what it needs if JavaScript is off', async () => {
    const { page } = await stage.open('/', { javaScriptEnabled: false });
    await expect.poll(() => page.locator('noscript').textContent()).toContain('needs JavaScript');
  });

  it('says that there is no such sale at a wrong address, and when a sale is deleted meanwhile', async () => {
    const { page } = await stage.openAs('rob', '/sales/first');
    await page.getByRole('heading', { name: 'There is no such sale.' }).waitFor();
    expect(await page.title()).toBe('There is no such sale. – Flash sale');
    await page.getByRole('link', { name: 'All sales' }).click();
    await page.getByRole('heading', { name: 'Sales', exact: true }).waitFor();
    const sale = await stage.createSale({ name: 'Soon deleted' });
    await page.goto(`${stage.url}/sales/${sale}`);
    await page.getByRole('heading', { name: 'Soon deleted' }).waitFor();
    await stage.context.db.deleteFrom('products').where('id', '=', sale).execute();
    await page.getByRole('heading', { name: 'There is no such sale.' }).waitFor();
    await page.goto(`${stage.url}/sales`);
    await page.getByRole('heading', { name: 'Sales', exact: true }).waitFor();
  });

  it('goes from page to page and back without loading the document again', async () => {
    const sale = await stage.createSale({ name: 'Radio' });
    const { page, noise } = await stage.openAs('quin', '/');
    await page.evaluate(() => Object.assign(globalThis, { isSameDocument: true }));
    await page.getByRole('link', { name: 'Radio' }).click();
    await page.getByRole('heading', { name: 'Radio' }).waitFor();
    expect(new URL(page.url()).pathname).toBe(`/sales/${sale}`);
    await page.getByRole('link', { name: 'My orders' }).click();
    await page.getByText('You have no orders yet').waitFor();
    await page.goBack();
    await page.getByRole('heading', { name: 'Radio' }).waitFor();
    expect(await page.evaluate(() => 'isSameDocument' in globalThis)).toBe(true);
    expect(noise()).toEqual([]);
  });
});
