import { priceOfCents } from '@flash-sale/shared/platform/money.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import type { historyOfOrder } from '@flash-sale/shared/order-moves/order-transitions.ts';
import type { findPaymentsOfOrder } from '@flash-sale/shared/payment/payments-table.ts';
import { orderView } from './routes.ts';

type Moves = Awaited<ReturnType<typeof historyOfOrder>>;
type Payments = Awaited<ReturnType<typeof findPaymentsOfOrder>>;

/** An order with its history and its payments, for operators. */
export function orderFile(order: Order, history: Moves, payments: Payments) {
  return {
    ...orderView(order),
    history: history.map(({ from_status: fromStatus, to_status: toStatus, actor, reason, created_at: createdAt }) => ({
      from_status: fromStatus,
      to_status: toStatus,
      actor,
      reason,
      time: createdAt.toISOString(),
    })),
    payments: payments.map(
      ({
        payment_id: paymentId,
        provider,
        provider_ref: providerRef,
        status,
        amount_cents: amountCents,
        currency,
        ...rest
      }) => ({
        payment_id: paymentId,
        provider,
        provider_ref: providerRef,
        status,
        amount: priceOfCents(amountCents),
        currency,
        note: rest.note,
        last_error: rest.last_error,
        created_at: rest.created_at.toISOString(),
        updated_at: rest.updated_at.toISOString(),
      }),
    ),
  };
}
