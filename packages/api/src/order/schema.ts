import Type from 'typebox';
import { ORDER_STATUSES } from '@flash-sale/shared/order/order.ts';
import {
  Limit,
  mayRefuse,
  NextCursor,
  OrderNoCursor,
  OrderNoInPath,
  Price,
  ProductId,
  SHOPPER_SECURITY,
  Time,
  UserId,
} from '../fields.ts';

const shoppers = { tags: ['orders'], security: SHOPPER_SECURITY };
const WAIT_S_MAX = 25;

export const Order = Type.Object(
  {
    order_no: Type.String(),
    user_id: Type.String(),
    product_id: ProductId,
    status: Type.Enum([...ORDER_STATUSES]),
    price: Price,
    quantity: Type.Integer({ description: 'Units' }),
    total: Type.Number({ description: '`price` times `quantity`: what the shopper pays' }),
    created_at: Time,
    expires_at: Type.Optional(Type.String({ description: 'The end of the time to pay' })),
    paid_at: Type.Optional(Time),
    closed_at: Type.Optional(Time),
    reason: Type.Optional(Type.String({ description: 'Why the order failed' })),
  },
  { title: 'Order' },
);

export const GetOrder = {
  ...shoppers,
  summary: 'An order',
  description: `While the order is \`queued\`, the answer has a \`Retry-After\` header. With \`wait\`, the answer comes when the order is no longer \`queued\`, or when the wait is over.`,
  params: OrderNoInPath,
  querystring: Type.Object(
    {
      wait: Type.Optional(
        Type.Integer({ minimum: 0, maximum: WAIT_S_MAX, description: 'Seconds to wait while the order is `queued`' }),
      ),
      user_id: Type.Optional(UserId),
    },
    { additionalProperties: false },
  ),
  response: { 200: Order },
};

export const ListOrders = {
  ...shoppers,
  summary: 'My orders, newest first',
  description: 'The list has the orders that are in the ledger. Read a `queued` order by its number.',
  querystring: Type.Object(
    {
      limit: Limit,
      cursor: OrderNoCursor,
      user_id: Type.Optional(UserId),
    },
    { additionalProperties: false },
  ),
  response: { 200: Type.Object({ items: Type.Array(Order), next_cursor: NextCursor }) },
};

export const PayOrder = {
  ...shoppers,
  summary: 'Pay an order',
  description:
    'Returns the next step for the shopper. A repeated call returns the same step while that payment is open, and `none` when the order is paid.',
  params: OrderNoInPath,
  body: Type.Object(
    {
      user_id: Type.Optional(UserId),
      sandbox: Type.Optional(
        Type.Enum(['pay', 'decline', 'late', 'twice', 'out_of_order', 'never'], {
          description: 'How the sandbox behaves; other providers ignore it',
        }),
      ),
    },
    { additionalProperties: false },
  ),
  ...mayRefuse('invalid_state'),
  response: {
    200: Type.Object({
      payment_id: Type.String(),
      provider: Type.String(),
      amount: Price,
      currency: Type.String(),
      next: Type.Union([
        Type.Object({ action: Type.Literal('redirect'), url: Type.String() }),
        Type.Object({ action: Type.Literal('none') }, { description: 'The order is paid' }),
      ]),
      expires_at: Type.Optional(Time),
    }),
  },
};

export const CancelOrder = {
  ...shoppers,
  summary: 'Cancel an unpaid order',
  description: 'The units go back on sale, and the shopper can buy again. A repeated call returns the same answer.',
  params: OrderNoInPath,
  body: Type.Object({ user_id: Type.Optional(UserId) }, { additionalProperties: false }),
  ...mayRefuse('invalid_state'),
  response: { 200: Order },
};
