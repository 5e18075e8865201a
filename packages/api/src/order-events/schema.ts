import Type from 'typebox';
import { Limit, NextCursor, ProductId, Time } from '../fields.ts';

const operators = { tags: ['operators'], security: [{ operatorToken: [] }] };
const TimeOrNull = Type.Union([Time, Type.Null()]);

export const ListOrderEvents = {
  ...operators,
  summary: 'Order events that are not delivered, oldest first',
  querystring: Type.Object(
    {
      state: Type.Optional(
        Type.Enum(['dead'], { description: 'Only dead events: the service has stopped trying to deliver them' }),
      ),
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
          status: Type.String({ description: 'The new status of the orders' }),
          orders: Type.Integer({ description: 'Number of orders' }),
          time: Time,
          message_id: Type.Union([Type.String(), Type.Null()], { description: 'Null before the first attempt' }),
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
  summary: 'Deliver all dead order events again',
  response: { 200: Type.Object({ retried: Type.Integer() }) },
};

export const DiscardOrderEvents = {
  ...operators,
  summary: 'Discard all dead order events; this is final',
  response: { 200: Type.Object({ discarded: Type.Integer() }) },
};
