import Type from 'typebox';
import { IdCursor, Limit, NextCursor, OPERATOR_CALL, ProductId, Time } from '../fields.ts';

const TimeOrNull = Type.Union([Time, Type.Null()]);

export const ListOrderEvents = {
  ...OPERATOR_CALL,
  summary: 'Order events that are not delivered, oldest first',
  querystring: Type.Object(
    {
      state: Type.Optional(
        Type.Enum(['dead'], { description: 'Only dead events: the service has stopped trying to deliver them' }),
      ),
      limit: Limit,
      cursor: IdCursor,
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
  ...OPERATOR_CALL,
  summary: 'Deliver all dead order events again',
  response: { 200: Type.Object({ retried: Type.Integer() }) },
};

export const DiscardOrderEvents = {
  ...OPERATOR_CALL,
  summary: 'Discard all dead order events; this is final',
  response: { 200: Type.Object({ discarded: Type.Integer() }) },
};
