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

const UNITS_MAX = 10_000_000;
const PRICE_MAX = 10_000_000;
/** The longest form: nine decimals and an offset. */
const TIME_LENGTH_MAX = 35;
const RFC_3339 =
  '^[2-9][0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$';

export const CreateProduct = {
  ...OPERATOR_CALL,
  summary: 'Open a sale',
  description: 'The service loads the sale into Redis before it answers. The sale sells from `start_time` on.',
  body: Type.Object(
    {
      name: Type.String({ minLength: 1, maxLength: 200, pattern: '^[^\\u0000-\\u001f\\u007f]*$' }),
      price: Type.Number({ ...Price, minimum: 0.01, maximum: PRICE_MAX }),
      stock: Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: 'At least `seckill_stock`' }),
      seckill_stock: Type.Integer({ minimum: 1, maximum: UNITS_MAX }),
      start_time: Type.String({ ...Time, pattern: RFC_3339, maxLength: TIME_LENGTH_MAX }),
      end_time: Type.String({
        ...Time,
        pattern: RFC_3339,
        maxLength: TIME_LENGTH_MAX,
        description: 'After `start_time`',
      }),
    },
    { additionalProperties: false },
  ),
  response: { 201: Product },
};

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
  summary: 'Changes made by operators, newest first',
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
    'The order becomes `refunded`, and its unit goes back on sale, when the payment provider has confirmed the refund.',
  params: OrderNoInPath,
  ...mayRefuse('invalid_state'),
  response: { 202: Order },
};
