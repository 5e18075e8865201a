import { afterAll, beforeAll, expect, it } from 'vitest';
import { signIn } from './operating.ts';
import { accessibilityFaults, names, openStage, press, says, type Stage } from './support.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await openStage({ PASSES_PER_UNIT: '1', PASS_SECONDS: '3600' });
});

afterAll(async () => {
  await stage?.close();
});

it('shoppers wait in the room, are called in turn, check their places, and come back to the same place', async () => {
  const sale = await stage.createSale({
    units: 1,
    startsInMs: 20_000,
    waitingRoom: { opens_at: '2020-01-01T00:00:00Z' },
  });
  const shoppers = [await stage.openAs('ann', `/sales/${sale}`), await stage.openAs('ben', `/sales/${sale}`)];
  for (const { page } of shoppers) {
    await press(page, 'Join the waiting room');
    await says(page, 'Your place is drawn when the sale starts');
  }
  await expect
    .poll(async () => (await stage.ordersOf(sale)).map(({ user_id: user }) => user), { timeout: 60_000 })
    .toHaveLength(1);
  const [{ user_id: first } = { user_id: '' }] = await stage.ordersOf(sale);
  const winner = shoppers[first === 'ann' ? 0 : 1]!;
  const other = shoppers[first === 'ann' ? 1 : 0]!;
  await says(winner.page, 'yours');
  await says(other.page, 'You keep your place');

  // The place is the same after a reload, and the browser can check it.
  const place = other.page.locator('.own-place summary');
  const before = await place.textContent();
  await other.page.reload();
  await says(other.page, 'You keep your place');
  expect(await place.textContent()).toBe(before);
  await place.click();
  await press(other.page, 'Check my place');
  await expect.poll(() => other.page.locator('.own-place').textContent()).toContain('Correct:');
  expect(await accessibilityFaults(other.page)).toEqual([]);

  await press(winner.page, names.cancel);
  await says(winner.page, 'cancelled');
  await says(other.page, 'yours');
  const late = await stage.openAs('cid', `/sales/${sale}`);
  await says(late.page, 'Sold out for now. Join the waiting room');
  for (const { noise } of shoppers) expect(noise()).toEqual([]);
});

it('an operator sees the line, and changes the rate with the slider', async () => {
  const sale = await stage.createSale({
    units: 5,
    startsInMs: 60_000,
    waitingRoom: { opens_at: '2020-01-01T00:00:00Z' },
  });
  const shopper = await stage.openAs('cleo', `/sales/${sale}`);
  await press(shopper.page, 'Join the waiting room');
  await says(shopper.page, 'Your place is drawn when the sale starts');
  const { page } = await signIn(stage, undefined, `/console#/sales/${sale}`);
  await expect.poll(() => page.locator('dd[data-figure=waiting]').textContent()).toBe('1');
  const slider = page.getByLabel('Called per second at most');
  await slider.focus();
  await page.keyboard.press('Home');
  await expect
    .poll(async () => {
      const answer = await fetch(`${stage.url}/api/v1/products/${sale}`);
      return ((await answer.json()) as { waiting_room: { admit_per_second: number } }).waiting_room.admit_per_second;
    })
    .toBe(1);
  expect(await accessibilityFaults(page)).toEqual([]);
});
