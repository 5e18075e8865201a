import Type from 'typebox';
import { ORDER_NO_LENGTH_MAX, ORDER_NO_PATTERN } from '@flash-sale/shared/order/order-number.ts';
import { Limit, mayRefuse, NextCursor, UserId } from '../fields.ts';
import { OrderFile } from '../operator/schema.ts';

const operators = { tags: ['operators'], security: [{ operatorToken: [] }] };
const params = Type.Object({ userId: UserId });

export const ExportShopper = {
  ...operators,
  summary: 'Export the data of a shopper',
  description: 'The orders in the ledger, newest first, each with its history and its payments.',
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
  summary: 'Erase the identity of a shopper',
  description:
    'Replaces the user id with a pseudonym; orders and sums stay. Refused while an order is unpaid, while it is live and its sale has not been over for 24 hours, or while its unit or its money is being returned.',
  params,
  response: {
    200: Type.Object({
      pseudonym: Type.String(),
      orders: Type.Integer({ description: 'Number of orders that got the pseudonym' }),
    }),
  },
  ...mayRefuse('invalid_state'),
};
