import Type from 'typebox';
import { Limit, NextCursor, ProductId, Time } from '../fields.ts';

const operators = { tags: ['operators'], security: [{ operatorToken: [] }] };
const TimeOrNull = Type.Union([Time, Type.Null()]);

export const ListOrderEvents = {
  ...operators,
  summary: 'Order events that are not delivered, oldest first',
  querystring: Type.Object(
    {
      state: Type.Optional(Type.Enum(['dead'], { description: 'Only those that were given up' })),
      limit: Limit,
      cursor: Type.Optional(Type.String({ pattern: '^[0-9]{1,15}$' })),
    },
    { additionalProperties: false },
  ),
  response: {
    200: Type.Object({
      items: Type.Array(
        Type.Object({
          id: Type.Integer(),
          product_id: ProductId,
          status: Type.String({ description: 'What the orders came to' }),
          orders: Type.Integer({ description: 'How many' }),
          time: Time,
          message_id: Type.Union([Type.String(), Type.Null()], { description: 'Null until it is first tried' }),
          attempts: Type.Integer(),
          last_error: Type.Union([Type.String(), Type.Null()]),
          next_attempt_at: TimeOrNull,
          dead_at: TimeOrNull,
        }),
      ),
      next_cursor: NextCursor,
    }),
  },
};

export const RetryOrderEvents = {
  ...operators,
  summary: 'Have all dead order events delivered again',
  response: { 200: Type.Object({ retried: Type.Integer() }) },
};

export const DiscardOrderEvents = {
  ...operators,
  summary: 'Give up all dead order events for good',
  response: { 200: Type.Object({ discarded: Type.Integer() }) },
};
