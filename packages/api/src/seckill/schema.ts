import Type from 'typebox';
import { TICKET_LENGTH_MAX } from '@flash-sale/shared/waiting-room/room-secrets.ts';
import { ORDER_STATUSES } from '@flash-sale/shared/order/order.ts';
import { UNITS_PER_SHOPPER_MAX } from '@flash-sale/shared/sale/sale.ts';
import { mayRefuse, ProductId, SeckillToken, SHOPPER_SECURITY, Time, UserId } from '../fields.ts';

/** Of a challenge. */
export const Solution = Type.String({
  minLength: 1,
  maxLength: 2_048,
  description: 'The solution of a challenge, if one is required: the payload of the ALTCHA widget',
});

const shoppers = { tags: ['seckill'], security: SHOPPER_SECURITY };

export const IssueToken = {
  ...shoppers,
  summary: 'Get a seckill token',
  description:
    'A shopper has one token for each sale, and can get it before the start. A repeated call returns the same token until it expires.',
  body: Type.Object(
    {
      user_id: Type.Optional(UserId),
      product_id: ProductId,
      solution: Type.Optional(Solution),
      ticket: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: TICKET_LENGTH_MAX,
          description:
            'Required if the sale has a waiting room: the ticket of a called shopper, in place of a solution',
        }),
      ),
    },
    { additionalProperties: false },
  ),
  ...mayRefuse(
    'not_found',
    'invalid_state',
    'challenge_required',
    'ticket_invalid',
    'not_called',
    'ended',
    'tokens_exhausted',
    'overloaded',
    'not_ready',
  ),
  response: { 200: Type.Object({ token: SeckillToken, expires_at: Time }) },
};

export const GetChallenge = {
  ...shoppers,
  summary: 'Get a challenge to solve for a seckill token',
  description:
    'An ALTCHA challenge (protocol 2) for one shopper and one sale. Its solution can be used for one seckill token.',
  querystring: Type.Object({ user_id: Type.Optional(UserId), product_id: ProductId }, { additionalProperties: false }),
  response: {
    200: Type.Object({
      parameters: Type.Record(Type.String(), Type.Unknown(), { description: 'The challenge' }),
      signature: Type.String(),
    }),
  },
};

export const Buy = {
  ...shoppers,
  summary: 'Buy',
  description:
    'The order gets all units that the call asks for, or none: if fewer are left, the answer is `sold_out` with their number in `available`. If the ' +
    'shopper already has an order, a repeated call returns its number and its quantity, even after the last unit is sold.',
  body: Type.Object(
    {
      user_id: Type.Optional(UserId),
      product_id: ProductId,
      token: SeckillToken,
      quantity: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: UNITS_PER_SHOPPER_MAX,
          description: 'Units, 1 by default; at most `units_per_shopper` of the product',
        }),
      ),
    },
    { additionalProperties: false },
  ),
  ...mayRefuse('not_found', 'token_invalid', 'not_started', 'ended', 'paused', 'sold_out', 'overloaded', 'not_ready'),
  response: {
    202: Type.Object({
      order_no: Type.String(),
      status: Type.Enum([...ORDER_STATUSES]),
      quantity: Type.Integer({ description: 'Units of the order' }),
      replayed: Type.Optional(Type.Boolean({ description: 'True if the order comes from an earlier buy' })),
    }),
  },
};
