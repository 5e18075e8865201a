import Type, { type Static } from 'typebox';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import { centsOfPrice, priceOfCents, TOTAL_CENTS_MAX } from '@flash-sale/shared/platform/money.ts';
import type { SaleEdit } from '@flash-sale/shared/reconciliation/edit.ts';
import type { NewSale } from '@flash-sale/shared/sale/products-table.ts';
import { checkPayable, UNITS_PER_SHOPPER_MAX } from '@flash-sale/shared/sale/sale.ts';
import { mayRefuse, msOfTime, OPERATOR_CALL, Price, ProductIdInPath, Time } from '../fields.ts';
import { Product } from '../sale/schema.ts';

const UNITS_MAX = 10_000_000;
const PRICE_MAX = priceOfCents(TOTAL_CENTS_MAX);
const ADMIT_PER_SECOND_MAX = 100_000;
const DESCRIPTION_LENGTH_MAX = 2_000;
const IMAGE_URL_LENGTH_MAX = 2_048;
/** The longest form: nine decimals and an offset. */
const TIME_LENGTH_MAX = 35;
const RFC_3339 =
  '^[2-9][0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$';
/** A description may be written with an escape for each character, some with two. */
export const SALE_BODY_BYTES_MAX = 49_152;

const time = { ...Time, pattern: RFC_3339, maxLength: TIME_LENGTH_MAX };
const Name = Type.String({ minLength: 1, maxLength: 200, pattern: '^[^\\u0000-\\u001f\\u007f]*$' });
const PriceGiven = Type.Number({ ...Price, minimum: 0.01, maximum: PRICE_MAX });
const UnitsPerShopper = Type.Integer({
  minimum: 1,
  maximum: UNITS_PER_SHOPPER_MAX,
  description: `Maximum units of one order; 1 by default. \`price\` times this is at most ${PRICE_MAX}`,
});
const StartTime = Type.String(time);
const EndTime = Type.String({ ...time, description: 'After `start_time`' });
const Description = Type.String({
  minLength: 1,
  maxLength: DESCRIPTION_LENGTH_MAX,
  // Lines and tabs, but no other control characters.
  pattern: '^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*$',
  description: 'Shown to shoppers, as text',
});
const ImageUrl = Type.String({
  maxLength: IMAGE_URL_LENGTH_MAX,
  pattern: '^https://[\\x21-\\x7e]+$',
  description: 'A picture of the product; `https` only',
  examples: ['https://shop.example/picture.png'],
});

const RoomOpensAt = Type.String({ ...time, description: 'Before `start_time`: shoppers may join from then on' });
const AdmitPerSecond = Type.Integer({
  minimum: 1,
  maximum: ADMIT_PER_SECOND_MAX,
  description: 'People called per second at most',
});

export const CreateProduct = {
  ...OPERATOR_CALL,
  summary: 'Open a sale',
  description: 'The service loads the sale into Redis before it answers. The sale sells from `start_time` on.',
  body: Type.Object(
    {
      name: Name,
      price: PriceGiven,
      stock: Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: 'At least `seckill_stock`' }),
      seckill_stock: Type.Integer({ minimum: 1, maximum: UNITS_MAX }),
      units_per_shopper: Type.Optional(UnitsPerShopper),
      start_time: StartTime,
      end_time: EndTime,
      description: Type.Optional(Description),
      image_url: Type.Optional(ImageUrl),
      waiting_room: Type.Optional(
        Type.Object(
          { opens_at: RoomOpensAt, admit_per_second: Type.Optional(AdmitPerSecond) },
          {
            additionalProperties: false,
            description: 'Shoppers join a waiting room, and only those who are called can buy',
          },
        ),
      ),
    },
    { additionalProperties: false },
  ),
  response: { 201: Product },
};

/** `null` removes it. */
const orNull = <Schema extends typeof Description>(schema: Schema) => Type.Union([schema, Type.Null()]);

export const EditProduct = {
  ...OPERATOR_CALL,
  summary: 'Edit a sale',
  description:
    'Fields that are not given stay as they are; `null` removes a text. Until the sale starts, all of them may change. From then on `price` and ' +
    '`start_time` stay, and after its end nothing changes. A change stops the sale for the time of one commit.',
  params: ProductIdInPath,
  body: Type.Object(
    {
      name: Type.Optional(Name),
      price: Type.Optional(PriceGiven),
      units_per_shopper: Type.Optional(UnitsPerShopper),
      start_time: Type.Optional(StartTime),
      end_time: Type.Optional(EndTime),
      description: Type.Optional(orNull(Description)),
      image_url: Type.Optional(orNull(ImageUrl)),
      waiting_room: Type.Optional(
        Type.Object(
          {
            opens_at: Type.Optional(RoomOpensAt),
            admit_per_second: Type.Optional(Type.Union([AdmitPerSecond, Type.Null()])),
          },
          {
            additionalProperties: false,
            minProperties: 1,
            description:
              'Of a sale that has a waiting room. `opens_at` may change until the start; `admit_per_second` until the end, without a stop',
          },
        ),
      ),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  ...mayRefuse('ended', 'invalid_state', 'overloaded'),
  response: { 200: Product },
};

export const DeleteProduct = {
  ...OPERATOR_CALL,
  summary: 'Delete a sale without orders',
  description: 'A sale that has an order, in any status, is not deleted: `invalid_state`. End it instead.',
  params: ProductIdInPath,
  ...mayRefuse('invalid_state', 'overloaded'),
  response: { 204: Type.Null() },
};

const invalid = (detail: string): Refusal => new Refusal('invalid_request', { detail });

/** A new sale, after the checks that a schema cannot express. */
export function newSaleOf(body: Static<(typeof CreateProduct)['body']>, priceCentsMin: number): Omit<NewSale, 'shard'> {
  const { stock, seckill_stock: seckillStock, waiting_room: room, ...others } = body;
  const edit = editOf(room === undefined ? others : { ...others, waiting_room: room });
  const { name, priceCents, unitsPerShopper = 1, startMs, endMs, description = null, imageUrl = null } = edit;
  if (stock < seckillStock) throw invalid('body/stock must be at least seckill_stock');
  if (endMs! <= startMs!) throw invalid('body/end_time must be after start_time');
  checkPayable({ priceCents: priceCents!, unitsPerShopper }, priceCentsMin);
  const times = { startMs: startMs!, endMs: endMs! };
  const texts = { name: name!, description, imageUrl };
  const facts = { ...texts, ...times, priceCents: priceCents!, stock, seckillStock, unitsPerShopper };
  const { roomOpensAtMs: opensAtMs } = edit;
  if (opensAtMs === undefined) return facts;
  if (opensAtMs >= startMs!) throw invalid('body/waiting_room/opens_at must be before start_time');
  return { ...facts, room: { opensAtMs, admitPerSecond: room?.admit_per_second ?? null } };
}

/** The given facts of a sale, after the same checks. */
export function editOf(body: Static<(typeof EditProduct)['body']>): SaleEdit {
  const { name, price, units_per_shopper: unitsPerShopper, description, image_url: imageUrl } = body;
  const { start_time: startTime, end_time: endTime } = body;
  const priceCents = price === undefined ? undefined : centsOfPrice(price);
  const startMs = startTime === undefined ? undefined : msOfTime(startTime);
  const endMs = endTime === undefined ? undefined : msOfTime(endTime);
  if (name?.trim() === '') throw invalid('body/name must not be blank');
  if (name?.isWellFormed() === false) throw invalid('body/name must be well-formed Unicode');
  if (price !== undefined && priceCents === undefined)
    throw invalid(`body/price must be from 0.01 to ${PRICE_MAX} with at most two decimals`);
  if (startTime !== undefined && startMs === undefined) throw invalid('body/start_time must be a date and time');
  const opensAt = body.waiting_room?.opens_at;
  const roomOpensAtMs = opensAt === undefined ? undefined : msOfTime(opensAt);
  if (opensAt !== undefined && roomOpensAtMs === undefined)
    throw invalid('body/waiting_room/opens_at must be a date and time');
  if (endTime !== undefined && endMs === undefined) throw invalid('body/end_time must be a date and time');
  if (description?.trim() === '') throw invalid('body/description must not be blank');
  if (description?.isWellFormed() === false) throw invalid('body/description must be well-formed Unicode');
  if (typeof imageUrl === 'string' && !isPictureUrl(imageUrl))
    throw invalid('body/image_url must be a URL with https and without a user name');
  return { name, priceCents, unitsPerShopper, startMs, endMs, description, imageUrl, roomOpensAtMs };
}

function isPictureUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return protocol === 'https:' && username === '' && password === '';
}
