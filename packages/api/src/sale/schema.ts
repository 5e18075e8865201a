import Type from 'typebox';
import { SALE_STATUSES } from '@flash-sale/shared/sale/sale.ts';
import { Limit, mayRefuse, NextCursor, Price, ProductId, Time } from '../fields.ts';

export const Product = Type.Object(
  {
    id: ProductId,
    name: Type.String(),
    price: Price,
    stock: Type.Integer({ description: 'The ordinary stock of the shop; the sale does not change it' }),
    seckill_stock: Type.Integer({ description: 'Units of the sale' }),
    start_time: Time,
    end_time: Time,
    status: Type.Enum([...SALE_STATUSES]),
    available: Type.Union([Type.Integer(), Type.Null()], {
      description: 'Units that can be bought now; null while this is not known',
    }),
  },
  { title: 'Product' },
);

export const ListProducts = {
  summary: 'Sales, newest first',
  tags: ['products'],
  querystring: Type.Object(
    { limit: Limit, cursor: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,15}$' })) },
    { additionalProperties: false },
  ),
  ...mayRefuse('forbidden'),
  response: { 200: Type.Object({ items: Type.Array(Product), next_cursor: NextCursor }) },
};

export const GetProduct = {
  summary: 'A sale with its live status and free units',
  tags: ['products'],
  params: Type.Object({ id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) }),
  ...mayRefuse('forbidden'),
  response: { 200: Product },
};
