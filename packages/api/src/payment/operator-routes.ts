import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import Type from 'typebox';
import { PAYMENT_PROBLEMS, PAYMENT_STATUSES } from '@flash-sale/shared/payment/payment.ts';
import { listPaymentProblems } from '@flash-sale/shared/payment/payment-problems.ts';
import { priceOfCents } from '@flash-sale/shared/platform/money.ts';
import type { AppDeps } from '../deps.ts';
import { Limit, LIMIT_DEFAULT, NextCursor, Price, ProductId, Time } from '../fields.ts';

const TextOrNull = Type.Union([Type.String(), Type.Null()]);

const ListPayments = {
  tags: ['operators'],
  security: [{ operatorToken: [] }],
  summary: 'Payments with a problem, oldest first',
  description:
    '`overdue`: the payment has waited for more than an hour for its refund, or for the answer of the provider after its order has closed. `wrong_amount`: the amount or currency does not match the order; the payment is refunded. `failing`: the last call to the provider failed and will be repeated.',
  querystring: Type.Object(
    {
      state: Type.Optional(Type.Enum([...PAYMENT_PROBLEMS], { description: 'Only payments with this problem' })),
      limit: Limit,
      cursor: Type.Optional(Type.String({ pattern: '^[!-~]{1,32}$' })),
    },
    { additionalProperties: false },
  ),
  response: {
    200: Type.Object({
      items: Type.Array(
        Type.Object({
          payment_id: Type.String(),
          order_no: Type.String(),
          product_id: ProductId,
          problems: Type.Array(Type.Enum([...PAYMENT_PROBLEMS])),
          provider: Type.String(),
          provider_ref: TextOrNull,
          status: Type.Enum([...PAYMENT_STATUSES]),
          amount: Price,
          currency: Type.String(),
          note: Type.Union([Type.String(), Type.Null()], { description: 'What came instead of the right amount' }),
          attempts: Type.Integer({ description: 'Calls to the provider that did not end the payment' }),
          last_error: Type.Union([Type.String(), Type.Null()], { description: 'Why the last call failed' }),
          next_attempt_at: Type.Union([Time, Type.Null()]),
          created_at: Time,
          updated_at: Time,
        }),
      ),
      next_cursor: NextCursor,
    }),
  },
};

/** Operators' list of payments that need somebody to look at them. */
export const paymentOperatorRoutes: FastifyPluginAsyncTypebox<Pick<AppDeps, 'db'>> = async (app, { db }) => {
  const reading = { onRequest: app.requireOperator('viewer') };

  app.get('/api/v1/admin/payments', { schema: ListPayments, ...reading }, async (request) => {
    const { state, limit = LIMIT_DEFAULT, cursor = '' } = request.query;
    const rows = await listPaymentProblems(db, { problem: state, after: cursor, limit });
    const items = rows.map((row) => ({
      payment_id: row.paymentId,
      order_no: row.orderNo,
      product_id: row.productId,
      provider: row.provider,
      provider_ref: row.providerRef,
      status: row.status,
      currency: row.currency,
      note: row.note,
      last_error: row.lastError,
      problems: [...row.problems],
      amount: priceOfCents(row.amountCents),
      attempts: row.asks,
      next_attempt_at: row.askAt?.toISOString() ?? null,
      created_at: row.createdAt.toISOString(),
      updated_at: row.updatedAt.toISOString(),
    }));
    return { items, next_cursor: rows.length === limit ? rows.at(-1)!.paymentId : null };
  });
};
