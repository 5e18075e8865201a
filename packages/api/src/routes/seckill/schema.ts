import Type from 'typebox';
import { ORDER_STATUSES } from '@flash-sale/shared/domain/order.ts';
import { mayRefuse, ProductId, SeckillToken, SHOPPER_SECURITY, Time, UserId } from '../fields.ts';

const shoppers = { tags: ['seckill'], security: SHOPPER_SECURITY };

export const IssueToken = {
  ...shoppers,
  summary: 'Get a seckill token',
  description: 'One per shopper and sale, also before the start. Asked again, the same one while it lives.',
  body: Type.Object(
    {
      user_id: Type.Optional(UserId),
      product_id: ProductId,
      solution: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: 2_048,
          description: 'Of a challenge, where one is required: what ALTCHA’s widget sends',
        }),
      ),
    },
    { additionalProperties: false },
  ),
  ...mayRefuse('not_found', 'challenge_required', 'ended', 'tokens_exhausted', 'overloaded', 'not_ready'),
  response: { 200: Type.Object({ token: SeckillToken, expires_at: Time }) },
};

export const GetChallenge = {
  ...shoppers,
  summary: 'Get a challenge to solve for a seckill token',
  description: 'ALTCHA’s, protocol 2, for one shopper and one sale. Solved, it is good for one seckill token.',
  querystring: Type.Object({ user_id: Type.Optional(UserId), product_id: ProductId }, { additionalProperties: false }),
  response: {
    200: Type.Object({
      parameters: Type.Record(Type.String(), Type.Unknown(), { description: 'What to solve' }),
      signature: Type.String(),
    }),
  },
};

export const Buy = {
  ...shoppers,
  summary: 'Buy one unit',
  description: 'Repeated by the shopper who won, it answers the same order number, even after the last unit is gone.',
  body: Type.Object(
    { user_id: Type.Optional(UserId), product_id: ProductId, token: SeckillToken },
    { additionalProperties: false },
  ),
  ...mayRefuse('not_found', 'token_invalid', 'not_started', 'ended', 'paused', 'sold_out', 'overloaded', 'not_ready'),
  response: {
    202: Type.Object({
      order_no: Type.String(),
      status: Type.Enum([...ORDER_STATUSES]),
      replayed: Type.Optional(Type.Boolean({ description: 'The order of an earlier buy' })),
    }),
  },
};
