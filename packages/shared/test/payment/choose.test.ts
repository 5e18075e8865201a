import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadConfig } from '../../src/platform/config/config.ts';
import { choosePaymentProviders } from '../../src/payment/choose.ts';
import { openPayment, placeOrder } from '../../testing/ordering.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';

const SECRETS = { STRIPE_SECRET_KEY: 'sk_test_1', STRIPE_WEBHOOK_SECRET: 'whsec_1' };

let context: TestContext;
beforeAll(async () => {
  context = await openTestContext();
});
afterAll(() => context.close());

/** The providers with these settings, and what was logged as an error. */
async function chosen(env: Readonly<Record<string, string>>) {
  const errors: unknown[] = [];
  const log = pino({ level: 'error' }, { write: (line) => void errors.push(JSON.parse(line)) });
  const { db, metrics } = context;
  const providers = await choosePaymentProviders(loadConfig({ ...context.env, ...env }), { db, log, metrics });
  return { current: providers.current.name, known: providers.all.map(({ name }) => name).toSorted(), errors };
}

it.each([
  ['the sandbox', {}, 'sandbox', ['sandbox']],
  ['the sandbox, and Stripe for the payments that it has started', SECRETS, 'sandbox', ['sandbox', 'stripe']],
  [
    'Stripe, and the sandbox for its own payments',
    { ...SECRETS, PAYMENT_PROVIDER: 'stripe' },
    'stripe',
    ['sandbox', 'stripe'],
  ],
  ['the sandbox alone with one secret of Stripe', { STRIPE_SECRET_KEY: 'sk_test_1' }, 'sandbox', ['sandbox']],
])('chooses %s', async (_, env, current, known) => {
  expect(await chosen(env)).toEqual({ current, known, errors: [] });
});

it('names at the start a provider that must be asked about payments and whose secrets are missing', async () => {
  const order = await placeOrder(context, await context.openSale());
  const paymentId = await openPayment(context, order.orderNo, 'stripe');
  await context.db.updateTable('payments').set({ ask_at: new Date() }).where('payment_id', '=', paymentId).execute();
  const { errors } = await chosen({});
  expect(errors).toEqual([
    expect.objectContaining({ provider: 'stripe', msg: expect.stringContaining('whose secrets are not set') }),
  ]);
  expect((await chosen(SECRETS)).errors).toEqual([]);
});
