import Type from 'typebox';
import { WRITTEN_STATUSES } from '@flash-sale/shared/order/order-list-table.ts';
import { ORDER_NO_LENGTH_MAX } from '@flash-sale/shared/order/order-number.ts';
import { Limit, mayRefuse, NextCursor, OPERATOR_CALL, OrderNoCursor, ProductId, UserId } from '../fields.ts';
import { Order } from './schema.ts';

const filter = {
  product_id: Type.Optional(ProductId),
  user_id: Type.Optional(UserId),
  status: Type.Optional(Type.Enum([...WRITTEN_STATUSES])),
};

export const FindOrders = {
  ...OPERATOR_CALL,
  summary: 'Orders, newest first',
  description:
    'The list has the orders that are in the ledger. An `order_no` also finds an order that is still `queued`. ' +
    'With a `status` but neither a sale nor a shopper, a page can be short although more pages follow: go on until `next_cursor` is null.',
  querystring: Type.Object(
    {
      ...filter,
      order_no: Type.Optional(Type.String({ minLength: 1, maxLength: ORDER_NO_LENGTH_MAX })),
      limit: Limit,
      cursor: OrderNoCursor,
    },
    { additionalProperties: false },
  ),
  response: { 200: Type.Object({ items: Type.Array(Order), next_cursor: NextCursor }) },
};

export const ExportOrders = {
  ...OPERATOR_CALL,
  summary: 'Orders as CSV, newest first',
  description:
    "All orders of the filter that are in the ledger, sent while they are read. A text that a spreadsheet would take for a formula begins with `'`. " +
    'An answer that ends early is not complete: its connection is cut.',
  querystring: Type.Object(filter, { additionalProperties: false }),
  ...mayRefuse('overloaded'),
  produces: ['text/csv'],
  response: { 200: { content: { 'text/csv': { schema: Type.String() } } } as object },
};
