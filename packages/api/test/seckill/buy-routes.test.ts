import { describe, expect, it } from 'vitest';
import { withStampedLease } from '@flash-sale/shared/sale/lease.ts';
import { AS_OPERATOR, effectsOn, openApp, openTestApp, settleOrder } from '../../testing/support.ts';
import { liveTokenOf } from '@flash-sale/shared/testing/buying.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { ORDER_NO, retired, scheduled, signed } from './tokens-and-times.ts';

const { context, app } = await openTestApp();

describe('POST /api/v1/seckill/buy', () => {
  it('accepts with 202, the order number, and where and when to poll', async () => {
    const sale = await context.openSale();
    const answer = await app.buy(sale, 'alice', await app.tokenOf(sale, 'alice'));
    expect(answer.statusCode).toBe(202);
    const { order_no: orderNo, ...rest } = answer.json<{ order_no: string }>();
    expect(orderNo).toMatch(ORDER_NO);
    expect(orderNo.endsWith(`-${sale.id}`)).toBe(true);
    expect(rest).toEqual({ status: 'queued', quantity: 1 });
    expect(answer.headers.location).toBe(`/api/v1/orders/${orderNo}`);
    expect(answer.headers['retry-after']).toBe('1');
    expect((await app.get(String(answer.headers.location))).statusCode).toBe(200);
  });

  it('is one effect however often it is sent: a retry gets the same number, marked as replayed (promise 8)', async () => {
    const sale = await context.openSale();
    const token = await app.tokenOf(sale, 'alice');
    const orderNo = (await app.buy(sale, 'alice', token)).json<{ order_no: string }>().order_no;
    const before = await effectsOn(context, sale, 'alice');
    const retry = await app.buy(sale, 'alice', token);
    expect(retry.statusCode).toBe(202);
    expect(retry.json()).toEqual({ order_no: orderNo, status: 'queued', quantity: 1, replayed: true });
    expect(retry.headers.location).toBe(`/api/v1/orders/${orderNo}`);
    expect(await effectsOn(context, sale, 'alice')).toEqual(before);
  });

  it('returns the present status of the order', async () => {
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'alice');
    await settleOrder(context, sale, orderNo);
    const retry = await app.buy(sale, 'alice', await app.tokenOf(sale, 'alice'));
    expect(retry.json()).toEqual({ order_no: orderNo, status: 'pending_payment', quantity: 1, replayed: true });
  });

  it('treats ten clicks at once, in one micro-batch or several, as one buy (promises 4 and 8)', async () => {
    const sale = await context.openSale();
    const token = await app.tokenOf(sale, 'alice');
    const clicks = await Promise.all(Array.from({ length: 10 }, () => app.buy(sale, 'alice', token)));
    expect(clicks.map(({ statusCode }) => statusCode)).toEqual(Array(10).fill(202));
    const bodies = clicks.map((click) => click.json<{ order_no: string; replayed?: true }>());
    expect(new Set(bodies.map(({ order_no: orderNo }) => orderNo)).size).toBe(1);
    expect(bodies.filter(({ replayed }) => replayed === undefined)).toHaveLength(1);
    expect(await context.redis.hget(context.keys.sale(sale).state, 'available')).toBe('9');
  });

  it('still answers a shopper with an order after the last unit is gone and the seckill token has expired (promise 8)', async () => {
    const brief = await openApp(context, { TOKEN_TTL_SECONDS: '3' });
    try {
      const sale = await context.openSale({ seckillStock: 1 });
      const token = await brief.tokenOf(sale, 'winner');
      const loserToken = await app.tokenOf(sale, 'loser');
      const orderNo = (await brief.buy(sale, 'winner', token)).json<{ order_no: string }>().order_no;
      await expect.poll(() => liveTokenOf(context, sale, 'winner'), SOON).toBeUndefined();
      expect(await app.buy(sale, 'loser', loserToken)).toBeProblem('sold_out');
      expect((await brief.buy(sale, 'winner', token)).json()).toMatchObject({ order_no: orderNo, replayed: true });
    } finally {
      await brief.close();
    }
  });

  it('still answers a shopper with an order while the sale is paused, and after its end', async () => {
    const sale = await context.openSale();
    const token = await app.tokenOf(sale, 'winner');
    const orderNo = (await app.buy(sale, 'winner', token)).json<{ order_no: string }>().order_no;
    await app.post(`/api/v1/admin/products/${sale.id}/pause`, undefined, AS_OPERATOR);
    expect((await app.buy(sale, 'winner', token)).json()).toMatchObject({ order_no: orderNo, replayed: true });
    await context.redis.hset(context.keys.sale(sale).state, 'end_ms', Date.now() - 1_000);
    expect((await app.buy(sale, 'winner', token)).json()).toMatchObject({ order_no: orderNo, replayed: true });
  });

  it('reads the ledger for a sale that Redis does not keep any more: the order again, or ended', async () => {
    const sale = await context.insertSale(retired());
    const orderNo = `01KARYB6S5Q0H9M3T7ZV5W8XCE-0-${sale.id}`;
    const now = new Date();
    await context.db
      .insertInto('orders')
      .values({
        order_no: orderNo,
        product_id: sale.id,
        user_id: 'alice',
        status: 'paid',
        price_cents: 1_999,
        reason: null,
        created_at: now,
        updated_at: now,
      })
      .execute();
    const answer = await app.buy(sale, 'alice', signed(sale.id, 'alice'));
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toEqual({ order_no: orderNo, status: 'paid', quantity: 1, replayed: true });
    expect(await app.buy(sale, 'bob', signed(sale.id, 'bob'))).toBeProblem('ended');
  });

  describe('a refused buy has no effect (promise 7)', () => {
    it.each<[string, (saleId: number, otherId: number) => string]>([
      ['forged with another secret', (id) => signed(id, 'alice', 'some-secret-of-a-thief')],
      ['signed by us and never issued', (id) => signed(id, 'alice')],
      ['issued to somebody else', (id) => signed(id, 'bob')],
      ['issued to a shopper of another case', (id) => signed(id, 'ALICE')],
      ['issued for another sale', (_id, otherId) => signed(otherId, 'alice')],
      ['nonsense', () => 'nonsense'],
      ['the mark of a consumed one', () => '#01KARYB6S5Q0H9M3T7ZV5W8XCE-0-1'],
      ['with one letter changed', (id) => signed(id, 'alice').replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))],
    ])('token_invalid: %s', async (_what, tokenFor) => {
      const [sale, other] = [await context.openSale(), await context.openSale()];
      await app.tokenOf(sale, 'alice');
      const before = await effectsOn(context, sale, 'alice');
      expect(await app.buy(sale, 'alice', tokenFor(sale.id, other.id))).toBeProblem('token_invalid');
      expect(await effectsOn(context, sale, 'alice')).toEqual(before);
    });

    it('token_invalid: expired', async () => {
      const brief = await openApp(context, { TOKEN_TTL_SECONDS: '1' });
      try {
        const sale = await context.openSale();
        const token = await brief.tokenOf(sale, 'alice');
        // The hash must not expire between the two snapshots.
        await Promise.all(context.keys.seckillTokens(sale).map((name) => context.redis.persist(name)));
        await expect.poll(() => liveTokenOf(context, sale, 'alice'), { timeout: 5_000 }).toBeUndefined();
        const before = await effectsOn(context, sale, 'alice');
        expect(await brief.buy(sale, 'alice', token)).toBeProblem('token_invalid');
        expect(await effectsOn(context, sale, 'alice')).toEqual(before);
      } finally {
        await brief.close();
      }
    });

    it('token_invalid: used for an order whose unit was given back; a new seckill token buys again', async () => {
      const sale = await context.openSale();
      const token = await app.tokenOf(sale, 'alice');
      const orderNo = (await app.buy(sale, 'alice', token)).json<{ order_no: string }>().order_no;
      await settleOrder(context, sale, orderNo);
      await withStampedLease(context, sale, 5_000, (lease) =>
        context.commands.giveBack(sale, lease.text, [{ userId: 'alice', orderNo }]),
      );
      const before = await effectsOn(context, sale, 'alice');
      expect(await app.buy(sale, 'alice', token)).toBeProblem('token_invalid');
      expect(await effectsOn(context, sale, 'alice')).toEqual(before);
      const again = (await app.buy(sale, 'alice', await app.tokenOf(sale, 'alice'))).json<{ order_no: string }>();
      expect(again.order_no).toMatch(ORDER_NO);
      expect(again.order_no).not.toBe(orderNo);
    });

    it('not_started, and the seckill token stays valid', async () => {
      const sale = await context.openSale(scheduled());
      const token = await app.tokenOf(sale, 'early');
      const before = await effectsOn(context, sale, 'early');
      expect(await app.buy(sale, 'early', token)).toBeProblem('not_started');
      expect(await effectsOn(context, sale, 'early')).toEqual(before);
    });

    it('ended, from the exact millisecond of end_time by the clock of Redis (promise 10)', async () => {
      const sale = await context.openSale();
      const token = await app.tokenOf(sale, 'late');
      const { nowMs } = await context.commands.clock(0);
      await context.redis.hset(context.keys.sale(sale).state, 'end_ms', nowMs);
      const before = await effectsOn(context, sale, 'late');
      expect(await app.buy(sale, 'late', token)).toBeProblem('ended');
      expect(await effectsOn(context, sale, 'late')).toEqual(before);
    });

    it('paused', async () => {
      const sale = await context.openSale();
      const token = await app.tokenOf(sale, 'alice');
      await app.post(`/api/v1/admin/products/${sale.id}/pause`, undefined, AS_OPERATOR);
      const before = await effectsOn(context, sale, 'alice');
      expect(await app.buy(sale, 'alice', token)).toBeProblem('paused');
      expect(await effectsOn(context, sale, 'alice')).toEqual(before);
    });

    it('sold_out', async () => {
      const sale = await context.openSale({ seckillStock: 1 });
      await app.win(sale, 'winner');
      const token = await app.tokenOf(sale, 'loser');
      const before = await effectsOn(context, sale, 'winner', 'loser');
      expect(await app.buy(sale, 'loser', token)).toBeProblem('sold_out');
      expect(await effectsOn(context, sale, 'winner', 'loser')).toEqual(before);
    });

    it('not_ready: a sale that is in the ledger only', async () => {
      const sale = await context.insertSale();
      expect(await app.buy(sale, 'alice', signed(sale.id, 'alice'))).toBeProblem('not_ready');
      expect(await context.redis.keys(`*:${sale.id}:*`)).toEqual([]);
    });

    it('not_found: our seckill token for a product that does not exist', async () => {
      expect(await app.buy({ id: 999_999 }, 'alice', signed(999_999, 'alice'))).toBeProblem('not_found');
    });

    it('overloaded: BACKLOG_MAX reservations wait for the ledger; settling one makes room', async () => {
      const narrow = await openApp(context, { BACKLOG_MAX: '1' });
      try {
        const sale = await context.openSale();
        const orderNo = await narrow.win(sale, 'first');
        const token = await narrow.tokenOf(sale, 'second');
        const before = await effectsOn(context, sale, 'second');
        expect(await narrow.buy(sale, 'second', token)).toBeProblem('overloaded');
        expect(await effectsOn(context, sale, 'second')).toEqual(before);
        await settleOrder(context, sale, orderNo);
        expect((await narrow.buy(sale, 'second', token)).statusCode).toBe(202);
      } finally {
        await narrow.close();
      }
    });
  });
});
