import Type from 'typebox';
import { PAYMENT_STATUSES } from '@flash-sale/shared/payment/payment.ts';
import {
  IdCursor,
  Limit,
  ProductIdInPath,
  mayRefuse,
  NextCursor,
  OPERATOR_CALL,
  OrderNoInPath,
  Price,
  Time,
} from '../fields.ts';
import { Order } from '../order/schema.ts';
import { Product } from '../sale/schema.ts';
import { Stats } from '../sale/stats.ts';

export const PauseProduct = {
  ...OPERATOR_CALL,
  params: ProductIdInPath,
  response: { 200: Product },
};

export const ProductStats = {
  ...OPERATOR_CALL,
  summary: 'The statistics of a sale',
  params: ProductIdInPath,
  response: { 200: Stats },
};

export const ListActions = {
  ...OPERATOR_CALL,
  summary: 'Changes and exports made by operators, newest first',
  querystring: Type.Object({ limit: Limit, cursor: IdCursor }, { additionalProperties: false }),
  response: {
    200: Type.Object({
      items: Type.Array(
        Type.Object({
          id: Type.Integer(),
          operator: Type.String({ description: 'The name that the operator gave; the role if there was none' }),
          role: Type.Enum(['admin', 'viewer']),
          action: Type.String(),
          subject: Type.String(),
          detail: Type.Unknown(),
          time: Time,
        }),
      ),
      next_cursor: NextCursor,
    }),
  },
};

export const WhoAmI = {
  ...OPERATOR_CALL,
  summary: 'The name and the role of the caller',
  response: {
    200: Type.Object({
      name: Type.String({ description: 'The name that the operator gave; the role if there was none' }),
      role: Type.Enum(['admin', 'viewer']),
    }),
  },
};

const TextOrNull = Type.Union([Type.String(), Type.Null()]);

export const OrderFile = {
  ...OPERATOR_CALL,
  summary: 'An order with its history and its payments',
  description: 'Also shows payments that came for a closed order or after another payment, with their refunds.',
  params: OrderNoInPath,
  response: {
    200: Type.Object({
      ...Order.properties,
      history: Type.Array(
        Type.Object({
          from_status: Type.String(),
          to_status: Type.String(),
          actor: Type.String({ description: 'Who moved it' }),
          reason: TextOrNull,
          time: Time,
        }),
      ),
      payments: Type.Array(
        Type.Object({
          payment_id: Type.String(),
          provider: Type.String(),
          provider_ref: TextOrNull,
          status: Type.Enum([...PAYMENT_STATUSES]),
          amount: Price,
          currency: Type.String(),
          note: Type.Union([Type.String(), Type.Null()], {
            description: 'A remark about the money, such as a wrong amount',
          }),
          last_error: Type.Union([Type.String(), Type.Null()], {
            description: 'Why the last call to the provider failed',
          }),
          created_at: Time,
          updated_at: Time,
        }),
      ),
    }),
  },
};

export const RefundOrder = {
  ...OPERATOR_CALL,
  summary: 'Refund a paid order',
  description:
    'The order becomes `refunded`, and its units go back on sale, when the payment provider has confirmed the refund.',
  params: OrderNoInPath,
  ...mayRefuse('invalid_state'),
  response: { 202: Order },
};
