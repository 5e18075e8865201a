import Type from 'typebox';
import { SALE_STATUSES } from '@flash-sale/shared/sale/sale.ts';
import { IdCursor, Limit, ProductIdInPath, mayRefuse, NextCursor, Price, ProductId, Time } from '../fields.ts';

const WaitingRoom = Type.Object(
  {
    opens_at: Type.String({ description: 'Shoppers may join from then on' }),
    admit_per_second: Type.Union([Type.Integer(), Type.Null()], {
      description: 'People called per second at most; null: no limit of its own',
    }),
    commitment: Type.String({ description: 'SHA-256 of the seed, hex: public from the creation of the sale on' }),
    seed: Type.Optional(
      Type.String({ description: '32 bytes, hex; public from the start on, when the early places are fixed' }),
    ),
  },
  { description: 'If the sale has one: only called shoppers can buy' },
);

export const Product = Type.Object(
  {
    id: ProductId,
    name: Type.String(),
    description: Type.Optional(Type.String({ description: 'Plain text' })),
    image_url: Type.Optional(Type.String({ description: 'A picture of the product, with https' })),
    price: Price,
    stock: Type.Integer({ description: 'The ordinary stock of the shop; the sale does not change it' }),
    seckill_stock: Type.Integer({ description: 'Units of the sale' }),
    units_per_shopper: Type.Integer({ description: 'Maximum units of one order' }),
    start_time: Time,
    end_time: Time,
    status: Type.Enum([...SALE_STATUSES]),
    waiting_room: Type.Optional(WaitingRoom),
    available: Type.Union([Type.Integer(), Type.Null()], {
      description: 'Units that can be bought now; null while this is not known',
    }),
  },
  { title: 'Product' },
);

export const ListProducts = {
  summary: 'Sales, newest first',
  tags: ['products'],
  querystring: Type.Object({ limit: Limit, cursor: IdCursor }, { additionalProperties: false }),
  ...mayRefuse('forbidden'),
  response: { 200: Type.Object({ items: Type.Array(Product), next_cursor: NextCursor }) },
};

export const GetProduct = {
  summary: 'A sale with its live status and free units',
  tags: ['products'],
  params: ProductIdInPath,
  ...mayRefuse('forbidden'),
  response: { 200: Product },
};
