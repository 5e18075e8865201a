import { afterAll, beforeAll, expect, it } from 'vitest';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { receivePaymentEvent } from '@flash-sale/shared/order-moves/payment-events.ts';
import { askAgain, beginAsking, duePayments } from '@flash-sale/shared/payment/payment-calls-table.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openPayment, placeOrder } from '@flash-sale/shared/testing/ordering.ts';
import { AS_OPERATOR, openApp, openTestContext, type TestApp, type TestContext } from '../../testing/support.ts';

const HOUR_MS = 3_600_000;

let context: TestContext;
let app: TestApp;
/** Payments by what is wrong with them. */
const made = { nothing: '', wrong_amount: '', failing: '', overdue: '', closed: '' };

interface Listed {
  readonly items: readonly { readonly payment_id: string; readonly problems: readonly string[] }[];
  readonly next_cursor: string | null;
}

const list = async (query = ''): Promise<Listed> => {
  const answer = await app.get(`/api/v1/admin/payments${query}`, AS_OPERATOR);
  expect(answer.statusCode).toBe(200);
  return answer.json<Listed>();
};
const idsOf = ({ items }: Listed): string[] => items.map(({ payment_id: paymentId }) => paymentId);

beforeAll(async () => {
  context = await openTestContext();
  app = await openApp(context);
  const open = async () => {
    const order = await placeOrder(context, await context.openSale());
    return { order, payment_id: await openPayment(context, order.orderNo) };
  };
  const metrics = createMetrics('api');
  const tell = (paymentId: string, amount: number) =>
    receivePaymentEvent({ ...context, metrics }, 'sandbox', {
      eventId: `paid-${paymentId}`,
      paymentId,
      kind: 'succeeded',
      received: { amount, currency: context.config.CURRENCY },
    });
  const age = (paymentId: string, ageMs: number) =>
    context.db
      .updateTable('payments')
      .set({ updated_at: new Date(Date.now() - ageMs) })
      .where('payment_id', '=', paymentId)
      .execute();
  const fail = async (paymentId: string, error: string | null) => {
    const due = (await duePayments(context.db, 100)).find((one) => one.paymentId === paymentId)!;
    await beginAsking(context.db, due, 1_000_000);
    await askAgain(context.db, due, 1_000_000, error);
  };

  made.nothing = (await open()).payment_id;
  made.wrong_amount = (await open()).payment_id;
  await tell(made.wrong_amount, 1);
  await fail(made.wrong_amount, null);

  const failing = await open();
  made.failing = failing.payment_id;
  await cancelOrder(context, failing.order, { actor: 'shopper' });
  await fail(made.failing, 'Invalid API Key provided');

  const late = await open();
  made.overdue = late.payment_id;
  await cancelOrder(context, late.order, { actor: 'shopper' });
  await tell(made.overdue, late.order.priceCents);
  await fail(made.overdue, null);
  await age(made.overdue, 1.1 * HOUR_MS);

  const closed = await open();
  made.closed = closed.payment_id;
  await cancelOrder(context, closed.order, { actor: 'shopper' });
  await fail(made.closed, 'timed out');
  await age(made.closed, 1.1 * HOUR_MS);
}, 60_000);
afterAll(async () => {
  await app.close();
  await context.close();
});

it('lists the payments that somebody has to look at, each with what is wrong, and no other', async () => {
  const { items, next_cursor: nextCursor } = await list();
  expect(items.map(({ payment_id: paymentId, problems }) => [paymentId, problems])).toEqual([
    [made.wrong_amount, ['wrong_amount']],
    [made.failing, ['failing']],
    [made.overdue, ['overdue']],
    [made.closed, ['overdue', 'failing']],
  ]);
  expect(nextCursor).toBeNull();
  expect(items[0]).toMatchObject({ status: 'refund_pending', note: expect.stringMatching(/^Received 1 /) as string });
  expect(items[1]).toMatchObject({ status: 'started', last_error: 'Invalid API Key provided', attempts: 1 });
});

it('lists them by state', async () => {
  expect(idsOf(await list('?state=overdue'))).toEqual([made.overdue, made.closed]);
  expect(idsOf(await list('?state=wrong_amount'))).toEqual([made.wrong_amount]);
  expect(idsOf(await list('?state=failing'))).toEqual([made.failing, made.closed]);
  expect(await app.get('/api/v1/admin/payments?state=lost', AS_OPERATOR)).toBeProblem('invalid_request');
});

it('lists them page by page', async () => {
  const first = await list('?limit=3');
  expect(idsOf(first)).toEqual([made.wrong_amount, made.failing, made.overdue]);
  const second = await list(`?limit=3&cursor=${first.next_cursor}`);
  expect([idsOf(second), second.next_cursor]).toEqual([[made.closed], null]);
});

it('is for operators', async () => {
  expect(await app.get('/api/v1/admin/payments')).toBeProblem('unauthenticated');
});
