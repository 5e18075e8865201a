import { setTimeout as delay } from 'node:timers/promises';
import { FakeStripe } from '@flash-sale/shared/testing/fake-stripe.ts';
import { signedByStripe } from '@flash-sale/shared/testing/stripe-signature.ts';
import { buy, post } from './eventful-sale.ts';
import type { WatchedService } from './watched-service.ts';

const WEBHOOK_SECRET = 'whsec_watched';
const STAND_IN = new URL('stripe-stand-in.ts', import.meta.url).pathname;
/** More calls than the service makes in a run. */
const REFUSALS = 1_000;
const WRONG_AMOUNT_CENTS = 1;
const ORDER_WAIT_S = 10;

/** A stand-in for Stripe, and what makes a service use it. */
export interface StripeStandIn {
  readonly stripe: FakeStripe;
  readonly env: NodeJS.ProcessEnv;
  readonly imports: readonly string[];
}

export async function startStripe(): Promise<StripeStandIn> {
  const stripe = new FakeStripe();
  const { port } = await stripe.listen();
  const env = {
    PAYMENT_PROVIDER: 'stripe',
    STRIPE_SECRET_KEY: 'sk_test_watched',
    STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
    STRIPE_STAND_IN_PORT: String(port),
  };
  return { stripe, env, imports: [STAND_IN] };
}

/**
 * A shopper pays another amount than the order costs, and the provider refuses the refund: its key
 * was withdrawn. The payment is then dated back by two hours, which is the only part that is not
 * waited for.
 */
export async function payWrongly(service: WatchedService, stripe: FakeStripe, sale: number): Promise<void> {
  stripe.fail('create refund', ...Array.from({ length: REFUSALS }, () => ({ status: 401 })));
  const userId = 'pays-wrongly';
  const orderNo = await buy(service, sale, userId);
  await waitForOrder(service, orderNo);
  await post(service, `/api/v1/orders/${orderNo}/pay`, { user_id: userId });
  const session = stripe.sessions.at(-1);
  if (session === undefined) throw new Error('no payment was started');
  stripe.pay(session.id, { amount: WRONG_AMOUNT_CENTS });
  await deliver(service, stripe.events.at(-1)!);
  await service.mysql.query(
    `UPDATE payments SET updated_at = updated_at - INTERVAL 2 HOUR WHERE order_no = ? AND status = 'refund_pending'`,
    [orderNo],
  );
}

async function waitForOrder({ api }: WatchedService, orderNo: string): Promise<void> {
  const untilMs = performance.now() + ORDER_WAIT_S * 1_000;
  while (performance.now() < untilMs) {
    const response = await fetch(`${api}/api/v1/orders/${orderNo}?wait=2`);
    const { status } = (await response.json()) as { status?: string };
    if (status === 'pending_payment') return;
    await delay(100);
  }
  throw new Error(`order ${orderNo} was not written in ${ORDER_WAIT_S} s`);
}

async function deliver({ api }: WatchedService, event: string): Promise<void> {
  const response = await fetch(`${api}/api/v1/payments/webhook/stripe`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...signedByStripe(event, WEBHOOK_SECRET) },
    body: event,
  });
  const { outcome } = (await response.json()) as { outcome?: string };
  if (outcome !== 'wrong_amount') throw new Error(`the webhook was answered with ${response.status} ${outcome}`);
}
