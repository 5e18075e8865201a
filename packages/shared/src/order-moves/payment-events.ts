import { Refusal } from '../platform/errors.ts';
import type { Payment, PaymentEvent } from '../payment/payment.ts';
import { findPayment, updateNote } from '../payment/payments-table.ts';
import { applyPaymentEvent, type MoveDeps } from './apply-payment-event.ts';
import type { Logger } from '../platform/telemetry/logger.ts';
import type { Metrics } from '../platform/telemetry/metrics.ts';
import type { Ignored } from '../payment/provider.ts';

/**
 * The outcome of a provider's event. `repeated`: it was applied before, or came too late to matter;
 * `unknown_payment`: no payment has that id, or its sale is archived; `wrong_amount`: it was
 * applied, and the money is refunded.
 */
export const OUTCOMES = [
  'applied',
  'repeated',
  'wrong_amount',
  'unknown_payment',
  'other_kind',
  'not_ours',
  'no_news',
  'unreadable',
] as const;
export type PaymentEventOutcome = Exclude<(typeof OUTCOMES)[number], Ignored>;

export interface PaymentEventDeps extends MoveDeps {
  readonly metrics: Pick<Metrics, 'paymentEvents'>;
  readonly log: Pick<Logger, 'info' | 'error'>;
}

/**
 * Applies a provider's event about a payment once, and counts the outcome. With every outcome, a
 * repeat of the event would change nothing.
 */
export async function receivePaymentEvent(
  deps: PaymentEventDeps,
  provider: string,
  event: PaymentEvent,
): Promise<PaymentEventOutcome> {
  const outcome = await outcomeOf(deps, provider, event);
  deps.metrics.paymentEvents.inc({ outcome });
  const { paymentId, kind, received } = event;
  deps.log.info({ payment_id: paymentId, kind, received, outcome }, 'payment event');
  return outcome;
}

async function outcomeOf(deps: PaymentEventDeps, provider: string, event: PaymentEvent): Promise<PaymentEventOutcome> {
  const payment = await findPayment(deps.db, event.paymentId);
  if (payment === undefined) return 'unknown_payment';
  const { paymentId } = payment;
  const wrong = wrongAmountOf(payment, event);
  if (wrong !== undefined) {
    await updateNote(deps.db, paymentId, wrong);
    deps.log.error({ payment_id: paymentId, order_no: payment.orderNo }, `${wrong}: refunding it`);
  }
  try {
    const applicable = wrong === undefined ? event : ({ ...event, kind: 'wrong_amount' } as const);
    const applied = await applyPaymentEvent(deps, provider, applicable);
    if (!applied) return 'repeated';
    return wrong === undefined ? 'applied' : 'wrong_amount';
  } catch (error) {
    if (error instanceof Refusal && error.code === 'not_found') return 'unknown_payment';
    throw error;
  }
}

/** A sentence for operators if the received amount is not what the order costs. */
function wrongAmountOf({ amountCents, currency }: Payment, { kind, received }: PaymentEvent): string | undefined {
  if (kind !== 'succeeded' || received === undefined) return undefined;
  if (received.amount === amountCents && received.currency === currency) return undefined;
  return `Received ${received.amount} ${received.currency} in its smallest unit instead of ${amountCents} ${currency}`;
}
