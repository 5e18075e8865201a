import Type from 'typebox';
import { ORDER_NO_LENGTH_MAX, ORDER_NO_PATTERN } from '@flash-sale/shared/domain/order-number.ts';
import { Limit, mayRefuse, NextCursor, UserId } from '../fields.ts';
import { OrderFile } from './schema.ts';

const operators = { tags: ['operators'], security: [{ operatorToken: [] }] };
const params = Type.Object({ userId: UserId });

export const ExportShopper = {
  ...operators,
  summary: 'What is kept of a shopper',
  description: 'Orders that the ledger has, newest first, each with its history and its payments.',
  params,
  querystring: Type.Object(
    {
      limit: Limit,
      cursor: Type.Optional(Type.String({ maxLength: ORDER_NO_LENGTH_MAX, pattern: ORDER_NO_PATTERN })),
    },
    { additionalProperties: false },
  ),
  response: {
    200: Type.Object({ user_id: Type.String(), orders: Type.Array(OrderFile.response[200]), next_cursor: NextCursor }),
  },
};

export const EraseShopper = {
  ...operators,
  summary: 'Forget who a shopper is',
  description:
    'Puts a pseudonym in the place of the user id; orders and sums stay. Refused while an order is unpaid, live in a sale that is not over for a day, or on its way back.',
  params,
  response: {
    200: Type.Object({ pseudonym: Type.String(), orders: Type.Integer({ description: 'Orders that were renamed' }) }),
  },
  ...mayRefuse('invalid_state'),
};
