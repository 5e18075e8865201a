import Type from 'typebox';
import { Limit, mayRefuse, NextCursor, OrderNoCursor, OPERATOR_CALL, UserId } from '../fields.ts';
import { OrderFile } from '../operator/schema.ts';

const params = Type.Object({ userId: UserId });

export const ExportShopper = {
  ...OPERATOR_CALL,
  summary: 'Export the data of a shopper',
  description: 'The orders in the ledger, newest first, each with its history and its payments.',
  params,
  querystring: Type.Object(
    {
      limit: Limit,
      cursor: OrderNoCursor,
    },
    { additionalProperties: false },
  ),
  response: {
    200: Type.Object({ user_id: Type.String(), orders: Type.Array(OrderFile.response[200]), next_cursor: NextCursor }),
  },
};

export const EraseShopper = {
  ...OPERATOR_CALL,
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
