import Type from 'typebox';
import { TICKET_LENGTH_MAX } from '@flash-sale/shared/waiting-room/room-secrets.ts';
import { mayRefuse, ProductId, SHOPPER_SECURITY, Time, UserId } from '../fields.ts';
import { Solution } from '../seckill/schema.ts';
import { ROOM_STATUSES } from './place-view.ts';

const shoppers = { tags: ['seckill'], security: SHOPPER_SECURITY };
const WAIT_S_MAX = 25;

export const Ticket = Type.String({
  minLength: 1,
  maxLength: TICKET_LENGTH_MAX,
  description: 'From joining the waiting room; keep it until the sale ends',
});

const Place = {
  status: Type.Enum([...ROOM_STATUSES], {
    description:
      '`called`: take a seckill token with the ticket and buy. `sold_out`: no unit is free now; the place is kept',
  }),
  place: Type.Union([Type.Number(), Type.Null()], {
    description:
      'The smaller comes first. Below 1: drawn for those who joined before the start; null until then. From 1 on: by arrival',
  }),
  ahead: Type.Optional(
    Type.Union([Type.Integer(), Type.Null()], {
      description: 'While `waiting`: people ahead; null before the start, when all are equal',
    }),
  ),
  estimated_wait_seconds: Type.Optional(
    Type.Union([Type.Integer(), Type.Null()], {
      description: 'While `waiting`: by the calls of the last minute; null if there were none',
    }),
  ),
  called_until: Type.Optional({
    ...Time,
    description:
      'While `called`: others are called instead after it. A called shopper may still buy later, while units last',
  }),
  units_may_return: Type.Optional(
    Type.Boolean({ description: 'If `sold_out`: some orders are not final, so units may come back' }),
  ),
};

export const JoinRoom = {
  ...shoppers,
  summary: 'Join the waiting room of a sale',
  description:
    'For a sale with a `waiting_room`. Before the start all are equal, however often and whenever they join. From the start on the line is by arrival, behind all of those. A shopper who missed the answer gets the same place by joining again within a minute, and later a new place at the end of the line.',
  body: Type.Object(
    { user_id: Type.Optional(UserId), product_id: ProductId, solution: Type.Optional(Solution) },
    { additionalProperties: false },
  ),
  ...mayRefuse('not_found', 'invalid_state', 'challenge_required', 'not_started', 'ended', 'overloaded', 'not_ready'),
  response: { 200: Type.Object({ ticket: Ticket, ...Place }) },
};

export const GetPlace = {
  ...shoppers,
  summary: 'My place in the waiting room',
  description:
    'With `wait`, the answer comes when the status is no longer `seen`, or when the wait is over. Without a new status, ask again after `Retry-After`.',
  querystring: Type.Object(
    {
      user_id: Type.Optional(UserId),
      product_id: ProductId,
      ticket: Ticket,
      wait: Type.Optional(
        Type.Integer({ minimum: 0, maximum: WAIT_S_MAX, description: 'Seconds to wait for a new status' }),
      ),
      seen: Type.Optional(
        Type.Enum([...ROOM_STATUSES], { description: 'The status that the caller knows; `waiting` by default' }),
      ),
    },
    { additionalProperties: false },
  ),
  ...mayRefuse('not_found', 'invalid_state', 'ticket_invalid', 'ended', 'not_ready'),
  response: { 200: Type.Object(Place) },
};
