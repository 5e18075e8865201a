import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStage, press, said, says, type Stage, names, orderNumber } from './support.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
});

afterAll(async () => {
  await stage?.close();
});

describe('a sale', () => {
  it('of one unit and two shoppers is bought by one of them, from the countdown to the payment', async () => {
    const sale = await stage.createSale({ units: 1, startsInMs: 15_000 });
    const shoppers = [await stage.openAs('ann', `/sales/${sale}`), await stage.openAs('ben', `/sales/${sale}`)];
    for (const { page } of shoppers) {
      await expect.poll(() => page.getByRole('timer', { name: 'Starts in' }).isVisible()).toBe(true);
      await press(page, names.armed);
      await says(page, 'You are ready');
    }
    await Promise.all(
      shoppers.map(({ page }) => expect.poll(() => said(page).textContent()).toMatch(/yours|Sold out/)),
    );
    const texts = await Promise.all(shoppers.map(({ page }) => said(page).textContent()));
    const winner = shoppers[texts.findIndex((text) => text!.includes('yours'))]!;
    const loser = shoppers.find((one) => one !== winner)!;
    await says(loser.page, 'Units come back if others do not pay');
    await press(winner.page, names.pay);
    await says(winner.page, 'Paid');
    expect(await stage.ordersOf(sale)).toMatchObject([{ status: 'paid' }]);
    for (const { noise } of shoppers) expect(noise()).toEqual([]);
  });

  it('whose payment is declined says so within seconds, and can be paid again', async () => {
    const sale = await stage.createSale();
    const { page, noise } = await stage.openAs('dee', `/sales/${sale}`);
    await page.route('**/orders/*/pay', (route) =>
      route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), sandbox: 'decline' }) }),
    );
    await press(page, names.buy);
    await says(page, 'yours');
    const pressedMs = Date.now();
    await press(page, names.pay);
    await page.getByText('The payment has not arrived').waitFor();
    expect(Date.now() - pressedMs).toBeLessThan(15_000);
    await page.unroute('**/orders/*/pay');
    await press(page, names.pay);
    await says(page, 'Paid');
    expect(noise()).toEqual([]);
  });

  it('that is sold out gives a returned unit to a shopper who waits for it', async () => {
    const sale = await stage.createSale();
    const owner = await stage.openAs('cleo', `/sales/${sale}`);
    await press(owner.page, names.buy);
    await says(owner.page, 'yours');
    const waiting = await stage.openAs('dan', `/sales/${sale}`);
    await press(waiting.page, 'Buy when a unit comes back');
    await says(waiting.page, 'as soon as a unit comes back');
    await press(owner.page, names.cancel);
    await says(owner.page, 'cancelled');
    await says(waiting.page, 'yours');
    expect((await stage.ordersOf(sale)).map(({ user_id: user, status }) => [user, status])).toEqual(
      expect.arrayContaining([
        ['cleo', 'cancelled'],
        ['dan', 'pending_payment'],
      ]),
    );
  });

  it('that is paused says so, and goes on by itself', async () => {
    const sale = await stage.createSale();
    await stage.operate(`products/${sale}/pause`);
    const { page } = await stage.openAs('eve', `/sales/${sale}`);
    await says(page, 'The shop has paused this sale');
    expect(await page.getByRole('button', { name: names.buy }).count()).toBe(0);
    await stage.operate(`products/${sale}/resume`);
    await press(page, names.buy);
    await says(page, 'yours');
  });

  it('that has ended cannot be bought', async () => {
    const sale = await stage.createSale();
    const { page } = await stage.openAs('fay', `/sales/${sale}`);
    await expect.poll(() => page.getByRole('button', { name: names.buy }).isVisible()).toBe(true);
    await stage.operate(`products/${sale}/end`);
    await says(page, 'This sale has ended');
    expect(await page.getByRole('button', { name: names.buy }).count()).toBe(0);
  });

  it('can be bought with the keyboard alone', async () => {
    const sale = await stage.createSale();
    const { page } = await stage.open(`/sales/${sale}`);
    await page.getByLabel('Your name').waitFor();
    const tabTo = async (isThere: () => Promise<boolean>): Promise<void> => {
      for (let tabs = 0; tabs < 20; tabs += 1) {
        await page.keyboard.press('Tab');
        if (await isThere()) return;
      }
      throw new Error('not reached by the keyboard');
    };
    const focused = (selector: string) => () =>
      page.evaluate((wanted) => document.activeElement?.matches(wanted) === true, selector);
    await tabTo(focused('#name'));
    await page.keyboard.type('gus');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: names.buy }).waitFor();
    await tabTo(focused('.panel .button'));
    await page.keyboard.press('Enter');
    await says(page, 'yours');
    expect(await stage.ordersOf(sale)).toMatchObject([{ user_id: 'gus' }]);
  });
});

describe('a shopper who', () => {
  it('loads the page again at every step comes back to the same order', async () => {
    const sale = await stage.createSale({ units: 5, startsInMs: 15_000 });
    const shopper = await stage.openAs('hal', `/sales/${sale}`);
    const { page } = shopper;
    await press(page, names.armed);
    await says(page, 'You are ready');
    await page.reload();
    await says(page, 'You are ready');

    // The buy reaches the service; its answer never reaches the page.
    const sent = Promise.withResolvers<void>();
    await page.route('**/seckill/buy', async (route) => {
      await route.fetch();
      sent.resolve();
    });
    await sent.promise;
    await says(page, 'Asking for your order');
    await page.unroute('**/seckill/buy');
    await page.reload();
    await says(page, 'yours');
    const number = await orderNumber(shopper);

    await page.reload();
    await says(page, 'yours');
    expect(await orderNumber(shopper)).toBe(number);

    await press(page, names.pay);
    await page.reload();
    await says(page, 'Paid');
    expect(await orderNumber(shopper)).toBe(number);
    await page.reload();
    await says(page, 'Paid');
    const orders = await stage.ordersOf(sale);
    expect(orders).toMatchObject([{ status: 'paid' }]);
    expect(number).toContain(orders[0]!.order_no);
  });

  it('loses the network in the middle of a buy gets the order of that buy', async () => {
    const sale = await stage.createSale({ units: 5 });
    const shopper = await stage.openAs('ida', `/sales/${sale}`);
    const { page, context } = shopper;
    await page.route('**/seckill/buy', async (route) => {
      await route.fetch();
      await context.setOffline(true);
      await route.abort('internetdisconnected');
    });
    await press(page, names.buy);
    await expect.poll(() => page.locator('.panel .trouble').textContent()).toContain('cannot be reached');
    await page.unroute('**/seckill/buy');
    await context.setOffline(false);
    await says(page, 'yours');
    const orders = await stage.ordersOf(sale);
    expect(orders).toHaveLength(1);
    expect(await orderNumber(shopper)).toContain(orders[0]!.order_no);
  });

  it('is told to wait tries again after that time', async () => {
    const sale = await stage.createSale({ units: 5 });
    const { page } = await stage.openAs('jan', `/sales/${sale}`);
    const tries: number[] = [];
    await page.route('**/seckill/buy', async (route) => {
      tries.push(performance.now());
      if (tries.length > 1) return route.continue();
      return route.fulfill({
        status: 429,
        contentType: 'application/problem+json',
        headers: { 'retry-after': '3' },
        body: JSON.stringify({
          type: 'x',
          title: 'Too many requests',
          status: 429,
          code: 'rate_limited',
          request_id: 'x',
        }),
      });
    });
    await press(page, names.buy);
    await expect
      .poll(() => page.locator('.panel .trouble').textContent())
      .toMatch(/too fast.*Next try in [1-4] second/s);
    await says(page, 'yours');
    expect(tries[1]! - tries[0]!).toBeGreaterThan(2_900);
  });

  it.each([2, -2])(
    'has a clock that is %i hours wrong sees the time of the service, and buys at the start',
    async (hours) => {
      const sale = await stage.createSale({ units: 5, startsInMs: 15_000, name: `Watch ${hours}` });
      const startMs = Date.now() + 15_000;
      const { page, context } = await stage.open('/orders');
      await context.addInitScript((byMs) => {
        const now = Date.now.bind(Date);
        Date.now = () => now() + byMs;
      }, hours * 3_600_000);
      await context.addInitScript(() => localStorage.setItem('flash-sale:name', '"kim"'));
      await page.goto(`${stage.url}/sales/${sale}`);
      const timer = page.getByRole('timer', { name: 'Starts in' });
      await expect.poll(() => timer.textContent()).toMatch(/^Starts in00hours00min[01]\ds$/);
      await press(page, names.armed);
      const sent = await page.waitForRequest('**/seckill/buy');
      // By the clock of the service, which the page knows to about half a second.
      expect(Math.abs(Date.now() - startMs)).toBeLessThan(2_000);
      expect(sent.method()).toBe('POST');
      await says(page, 'yours');
    },
  );

  it('has an order on another device finds it in the list of orders', async () => {
    const sale = await stage.createSale({ name: 'Lamp' });
    const first = await stage.openAs('lea', `/sales/${sale}`);
    await press(first.page, names.buy);
    await says(first.page, 'yours');
    const { page, noise } = await stage.openAs('lea', '/orders');
    await page.getByText('Lamp').waitFor();
    await page.getByText('To be paid').waitFor();
    await page.getByRole('link', { name: /^Open/ }).click();
    await says(page, 'yours');
    await press(page, names.cancel);
    await says(page, 'cancelled');
    await says(first.page, 'cancelled');
    expect(noise()).toEqual([]);
  });

  it('has the sale in two tabs stops waiting in both, and sees the order of either', async () => {
    const sale = await stage.createSale({ startsInMs: 20_000 });
    const { page, context } = await stage.openAs('mia', `/sales/${sale}`);
    await press(page, names.armed);
    await says(page, 'You are ready');
    const second = await context.newPage();
    await second.goto(`${stage.url}/sales/${sale}`);
    await says(second, 'You are ready');
    await press(page, 'Do not buy');
    await second.getByRole('button', { name: names.armed }).waitFor();
    await second.getByRole('button', { name: names.buy }).waitFor();
    expect(await stage.ordersOf(sale)).toEqual([]);

    await press(page, names.buy);
    await says(second, 'yours');
    expect(await stage.ordersOf(sale)).toHaveLength(1);
  });

  it('stops waiting does not buy', async () => {
    const sale = await stage.createSale({ startsInMs: 12_000 });
    const { page } = await stage.openAs('max', `/sales/${sale}`);
    await press(page, names.armed);
    await press(page, 'Do not buy');
    await page.getByRole('button', { name: names.buy }).waitFor();
    expect(await stage.ordersOf(sale)).toEqual([]);
  });
});
