import Type from 'typebox';
import { WRITTEN_STATUSES } from '@flash-sale/shared/order/order.ts';
import { ORDER_NO_LENGTH_MAX } from '@flash-sale/shared/order/order-number.ts';
import { Limit, mayRefuse, NextCursor, OPERATOR_CALL, OrderNoCursor, ProductId, Time, UserId } from '../fields.ts';
import { DOWNLOAD_ID_PATTERN } from './downloads.ts';
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

const Csv = { 200: { content: { 'text/csv': { schema: Type.String() } } } as object };

export const ExportOrders = {
  ...OPERATOR_CALL,
  summary: 'Orders as CSV, newest first',
  description:
    "All orders of the filter that are in the ledger, sent while they are read. A text that a spreadsheet would take for a formula begins with `'`. " +
    'An answer that ends early is not complete: its connection is cut.',
  querystring: Type.Object(filter, { additionalProperties: false }),
  ...mayRefuse('overloaded'),
  produces: ['text/csv'],
  response: Csv,
};

export const OpenDownload = {
  ...OPERATOR_CALL,
  summary: 'Prepare a download of the orders as CSV',
  description:
    'For a page: the browser downloads an address and sends no operator token with it. The random id takes the place of the token, once, within a minute.',
  querystring: Type.Object(filter, { additionalProperties: false }),
  ...mayRefuse('overloaded', 'unavailable'),
  response: { 201: Type.Object({ id: Type.String(), expires_at: Time }) },
};

export const Download = {
  tags: OPERATOR_CALL.tags,
  security: [],
  summary: 'Download the orders as CSV without an operator token',
  description: 'As `GET /api/v1/admin/orders.csv`. The id is used up by the first call, even if that is cut off.',
  params: Type.Object({ id: Type.String({ pattern: DOWNLOAD_ID_PATTERN }) }),
  ...mayRefuse('not_found', 'overloaded', 'unavailable'),
  produces: ['text/csv'],
  response: Csv,
};
