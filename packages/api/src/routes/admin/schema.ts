import Type from 'typebox';
import { Price, Time } from '../fields.ts';
import { Order } from '../orders/schema.ts';
import { Product } from '../products/schema.ts';
import { Stats } from './stats.ts';

const UNITS_MAX = 10_000_000;
const RFC_3339 =
  '^[2-9][0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$';

const operators = { tags: ['operators'], security: [{ operatorToken: [] }] };

export const CreateProduct = {
  ...operators,
  summary: 'Open a sale',
  description: 'The sale is loaded before the answer, and sells from `start_time` on.',
  body: Type.Object(
    {
      name: Type.String({ minLength: 1, maxLength: 200, pattern: '^[^\\u0000-\\u001f\\u007f]*$' }),
      price: Price,
      stock: Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: 'At least `seckill_stock`' }),
      seckill_stock: Type.Integer({ minimum: 1, maximum: UNITS_MAX }),
      start_time: Type.String({ ...Time, pattern: RFC_3339 }),
      end_time: Type.String({ ...Time, pattern: RFC_3339, description: 'After `start_time`' }),
    },
    { additionalProperties: false },
  ),
  response: { 201: Product },
};

export const PauseProduct = {
  ...operators,
  params: Type.Object({ id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) }),
  response: { 200: Product },
};

export const ProductStats = {
  ...operators,
  summary: 'How a sale goes',
  params: Type.Object({ id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) }),
  response: { 200: Stats },
};

export const RefundOrder = {
  ...operators,
  summary: 'Refund a paid order',
  description: 'The order is `refunded`, and its unit back on sale, when the payment provider has confirmed.',
  params: Type.Object({ orderNo: Type.String({ maxLength: 100 }) }),
  response: { 202: Order },
};
