import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessibilityFaults, names, openStage, press, says, type Stage } from './support.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
});

afterAll(async () => {
  await stage?.close();
});

describe('a sale of several units to a shopper', () => {
  it('lets the shopper choose how many, says what they cost, and is paid with the total', async () => {
    const sale = await stage.createSale({ units: 10, unitsPerShopper: 3 });
    const { page, noise } = await stage.openAs('ann', `/sales/${sale}`);
    const field = page.getByLabel('How many? At most 3');
    await field.fill('2');
    await field.blur();
    await expect.poll(() => page.locator('.quantity output').textContent()).toContain('399.98');
    expect(await accessibilityFaults(page)).toEqual([]);
    await press(page, names.buy);
    await says(page, 'yours');
    expect(await page.locator('.order-units').textContent()).toMatch(/2 units, .*399\.98/);
    await press(page, /^Pay .*399\.98/);
    await says(page, 'Paid');
    expect(await stage.ordersOf(sale)).toMatchObject([{ status: 'paid', quantity: 2 }]);
    await page.goto(`${stage.url}/orders`);
    await expect.poll(() => page.locator('.order-side .price').textContent()).toContain('399.98');
    expect(noise()).toEqual([]);
  });

  it('takes a number that is too high for the most', async () => {
    const sale = await stage.createSale({ units: 10, unitsPerShopper: 3 });
    const { page } = await stage.openAs('ben', `/sales/${sale}`);
    const field = page.getByLabel('How many?');
    await field.fill('7');
    await field.blur();
    await expect.poll(() => field.inputValue()).toBe('3');
  });

  it('keeps the number that is typed while the countdown moves, and shows its price at once', async () => {
    const sale = await stage.createSale({ units: 10, unitsPerShopper: 30, startsInMs: 60_000 });
    const { page } = await stage.openAs('eve', `/sales/${sale}`);
    const field = page.getByLabel('How many?');
    await field.fill('12');
    const countdown = page.locator('.countdown');
    const before = await countdown.textContent();
    await expect.poll(() => countdown.textContent()).not.toBe(before);
    expect(await field.inputValue()).toBe('12');
    expect(await page.locator('.quantity output').textContent()).toContain('2,399.88');
  });

  it('offers what is left to a shopper who wants more', async () => {
    const sale = await stage.createSale({ units: 2, unitsPerShopper: 3 });
    const { page } = await stage.openAs('cleo', `/sales/${sale}`);
    await page.getByLabel('How many?').fill('3');
    await press(page, names.buy);
    await says(page, 'Only 2 units are left');
    await press(page, 'Buy 2');
    await says(page, 'yours');
    expect(await stage.ordersOf(sale)).toMatchObject([{ user_id: 'cleo', quantity: 2 }]);
  });

  it('buys the chosen number at the start, also after the page was loaded again', async () => {
    const sale = await stage.createSale({ units: 5, unitsPerShopper: 3, startsInMs: 8_000 });
    const { page } = await stage.openAs('dan', `/sales/${sale}`);
    await page.getByLabel('How many?').fill('3');
    await press(page, names.armed);
    await says(page, 'You are ready');
    await page.reload();
    await says(page, 'yours');
    expect(await stage.ordersOf(sale)).toMatchObject([{ quantity: 3 }]);
  });

  it('of one unit asks for no number', async () => {
    const sale = await stage.createSale({ units: 2 });
    const { page } = await stage.openAs('eve', `/sales/${sale}`);
    await page.getByRole('button', { name: names.buy }).waitFor();
    expect(await page.getByLabel('How many?').count()).toBe(0);
  });
});
