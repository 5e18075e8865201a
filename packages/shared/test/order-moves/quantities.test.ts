import { describe, expect, test } from 'vitest';
import { cancelOrder, expireOrders } from '../../src/order-moves/cancel-and-expire.ts';
import { receivePaymentEvent } from '../../src/order-moves/payment-events.ts';
import { requestRefund } from '../../src/order-moves/request-refund.ts';
import { unappliedReturns } from '../../src/order/stock-returns-table.ts';
import { findPayment } from '../../src/payment/payments-table.ts';
import { readCounters } from '../../src/sale/sale-counters-table.ts';
import { takeLease, unitsOf } from '../../testing/buying.ts';
import { ledgerOf, openPayment, placeOrders } from '../../testing/ordering.ts';
import { testContext } from '../../testing/support.ts';
import { eventOf, tell } from './moving.ts';

const context = await testContext();

/** A sale of ten units at 19.99 with an order of three and one of one. */
async function placed() {
  const sale = await context.openSale({ unitsPerShopper: 3 });
  const [three] = await placeOrders(context, sale, ['three'], { quantity: 3 });
  const [one] = await placeOrders(context, sale, ['one']);
  return { sale, three: three!, one: one! };
}

const counterOf = async (productId: number, wanted: string) =>
  (await readCounters(context.db, productId)).find(({ name }) => name === wanted)?.value ?? 0;

describe('an order of three units', () => {
  test.each([
    ['cancelled', 'cancel'],
    ['expired', 'expire'],
  ] as const)('that is %s lowers sold by three and gives three back', async (status, how) => {
    const { sale, three } = await placed();
    expect(await ledgerOf(context, three)).toMatchObject({ sold: 4 });
    if (how === 'cancel') await cancelOrder(context, three, { actor: 'shopper' });
    else await expireOrders(context, sale.id, [three.orderNo]);
    expect(await ledgerOf(context, three)).toMatchObject({ status, sold: 1, returned: true });
    const due = await unappliedReturns(context.db, sale.id, 10);
    expect(await context.commands.giveBack(sale, await takeLease(context, sale), due)).toBe(3);
    expect(await unitsOf(context, sale)).toMatchObject({ available: 9 });
  });

  test('is paid and refunded with its total', async () => {
    const { sale, three } = await placed();
    const paymentId = await openPayment(context, three.orderNo);
    expect(await findPayment(context.db, paymentId)).toMatchObject({ amountCents: 3 * sale.priceCents });
    await tell(context, paymentId, 'succeeded');
    expect(await ledgerOf(context, three)).toMatchObject({ status: 'paid', sold: 4 });
    expect(await counterOf(sale.id, 'revenue_cents')).toBe(3 * sale.priceCents);
    await requestRefund(context, three, 'operator');
    await tell(context, paymentId, 'refunded');
    expect(await ledgerOf(context, three)).toMatchObject({ status: 'refunded', sold: 1, returned: true });
    expect(await counterOf(sale.id, 'refunded_cents')).toBe(3 * sale.priceCents);
  });

  test.each([
    ['of one unit', 1, 'wrong_amount'],
    ['of all three', 3, 'applied'],
  ] as const)('that receives the price %s', async (_what, units, outcome) => {
    const { sale, three } = await placed();
    const paymentId = await openPayment(context, three.orderNo);
    const received = { amount: units * sale.priceCents, currency: 'CNY' };
    const event = { ...eventOf(paymentId, 'succeeded'), received };
    expect(await receivePaymentEvent(context, 'sandbox', event)).toBe(outcome);
    expect((await ledgerOf(context, three)).status).toBe(outcome === 'applied' ? 'paid' : 'pending_payment');
  });
});
