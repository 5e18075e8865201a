import { sql, type RawBuilder } from 'kysely';
import type { Db } from '../platform/mysql/client.ts';
import { ledgerNowPlus } from '../platform/mysql/clock.ts';
import { PAYMENT_PROBLEMS, type PaymentProblem, type PaymentStatus } from './payment.ts';
import { CLOSED_BUT_OPEN_AT_PROVIDER } from './payment-calls-table.ts';

/** As the alert PaymentOverdue has it. */
const OVERDUE_MS = 3_600_000;

/** Each begins with what an index has, so that payments without a problem are not read. */
const CONDITIONS: Readonly<Record<PaymentProblem, RawBuilder<boolean>>> = {
  overdue: sql`(payments.updated_at < ${ledgerNowPlus(-OVERDUE_MS)}
    AND (payments.status = 'refund_pending' OR (${CLOSED_BUT_OPEN_AT_PROVIDER})))`,
  wrong_amount: sql`(payments.status IN ('refund_pending', 'refunded') AND payments.note IS NOT NULL)`,
  failing: sql`(payments.ask_at IS NOT NULL AND payments.last_error IS NOT NULL)`,
};

export interface PaymentProblemsQuery {
  /** Any of them unless given. */
  readonly problem?: PaymentProblem | undefined;
  /** Payments after this one; empty: from the first. */
  readonly after: string;
  readonly limit: number;
}

export interface PaymentWithProblems {
  readonly paymentId: string;
  readonly orderNo: string;
  readonly productId: number;
  readonly provider: string;
  readonly providerRef: string | null;
  readonly status: PaymentStatus;
  readonly amountCents: number;
  readonly currency: string;
  readonly note: string | null;
  readonly lastError: string | null;
  readonly asks: number;
  readonly askAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly problems: readonly PaymentProblem[];
}

/** Payments that an operator should look at, the oldest first. */
export async function listPaymentProblems(
  db: Db,
  { problem, after, limit }: PaymentProblemsQuery,
): Promise<PaymentWithProblems[]> {
  const asked = problem === undefined ? PAYMENT_PROBLEMS : [problem];
  const ids = sql.join(
    asked.map(
      (name) => sql`
        (SELECT payments.payment_id FROM payments JOIN orders ON orders.order_no = payments.order_no
        WHERE ${CONDITIONS[name]} AND payments.payment_id > ${after}
        ORDER BY payments.payment_id LIMIT ${sql.lit(limit)})`,
    ),
    sql` UNION `,
  );
  const rows = await db
    .selectFrom('payments')
    .innerJoin('orders', 'orders.order_no', 'payments.order_no')
    .select([
      'payments.payment_id as paymentId',
      'payments.order_no as orderNo',
      'payments.product_id as productId',
      'provider',
      'provider_ref as providerRef',
      'payments.status',
      'amount_cents as amountCents',
      'currency',
      'note',
      'last_error as lastError',
      'asks',
      'ask_at as askAt',
      'payments.created_at as createdAt',
      'payments.updated_at as updatedAt',
    ])
    .select(PAYMENT_PROBLEMS.map((name) => CONDITIONS[name].as(name)))
    .where('payments.payment_id', 'in', sql<string>`(SELECT payment_id FROM (${ids}) AS found)`)
    .orderBy('payments.payment_id')
    .limit(limit)
    .execute();
  return rows.map(({ overdue, wrong_amount: wrongAmount, failing, ...payment }) => {
    const is = { overdue, wrong_amount: wrongAmount, failing };
    return { ...payment, problems: PAYMENT_PROBLEMS.filter((name) => Boolean(Number(is[name]))) };
  });
}
