import {
  integer,
  option,
  text,
  textOrEmpty,
  UsageError,
  type Values,
} from '@flash-sale/shared/platform/process/command-line.ts';
import { UNITS_PER_SHOPPER_MAX } from '@flash-sale/shared/sale/sale.ts';
import type { Product } from '@flash-sale/web/operator-types';
import { ID_MAX, readPrice, readTime, SALE } from './arguments.ts';
import { command, path, saleAsked, type Command } from './command.ts';
import { fields } from './table.ts';

const FACTS = {
  name: text('<text>', 'the name of the product'),
  price: option('<price>', 'the price of a unit', readPrice),
  'units-per-shopper': integer('<n>', 'the units that one order can have', 1, UNITS_PER_SHOPPER_MAX),
  start: option('<time>', 'when the sale starts', readTime),
  end: option('<time>', 'when the sale ends', readTime),
  description: textOrEmpty('<text>', 'a description for shoppers; empty: none'),
  'image-url': textOrEmpty('<url>', 'the address of a picture, with https; empty: none'),
  'room-opens': option(
    '<time>',
    'when the waiting room opens, before the start; a new sale without it has none',
    readTime,
  ),
  'admit-per-second': integer('<n>', 'the people called from the waiting room per second, at most', 1, 100_000),
};
const UNITS = {
  units: integer('<n>', 'the units of the sale', 1, ID_MAX),
  stock: integer('<n>', 'the ordinary stock of the shop (default: the units)', 1, ID_MAX),
};
const REQUIRED = ['name', 'price', 'start', 'end', 'units'] as const;
/** The options whose empty value removes a text. */
const REMOVABLE = ['description', 'image_url'];

/** The given facts as the API takes them. */
function bodyOf(values: Values<typeof FACTS>): Record<string, unknown> {
  const { name, price, start, end, description, 'image-url': imageUrl } = values;
  const unitsPerShopper = values['units-per-shopper'];
  const texts = { description, image_url: imageUrl };
  const room = { opens_at: values['room-opens'], admit_per_second: values['admit-per-second'] };
  const hasRoom = Object.values(room).some((value) => value !== undefined);
  const body = { name, price, units_per_shopper: unitsPerShopper, start_time: start, end_time: end, ...texts };
  Object.assign(body, hasRoom ? { waiting_room: room } : {});
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

/** The commands that create, edit and delete sales. */
export const PRODUCT_COMMANDS: readonly Command[] = [
  command({
    name: 'create',
    summary: 'create a sale; it sells from its start on',
    options: { ...FACTS, ...UNITS },
    check(values) {
      const missing = REQUIRED.filter((name) => values[name] === undefined);
      if (missing.length > 0) throw new UsageError(`Give ${missing.map((name) => `--${name}`).join(', ')}`);
    },
    call: (call, { values: { units, stock, ...facts } }) =>
      call<object>('POST', 'products', { ...bodyOf(facts), seckill_stock: units, stock: stock ?? units }),
    show: fields,
  }),
  command({
    name: 'edit',
    args: [SALE],
    summary: 'edit a sale; price and start only until it starts',
    options: FACTS,
    check(values) {
      if (Object.keys(bodyOf(values)).length === 0) throw new UsageError('Give at least one option');
    },
    call(call, { args: [sale], values }) {
      const given = Object.entries(bodyOf(values));
      const body = given.map(([name, value]) => [name, value === '' && REMOVABLE.includes(name) ? null : value]);
      return call<Product>('PATCH', `products/${path(sale!)}`, Object.fromEntries(body) as object);
    },
    show: fields,
  }),
  command({
    name: 'delete',
    args: [SALE],
    summary: 'delete a sale that has no order; this is final',
    async question(call, { args: [id] }) {
      const { title } = await saleAsked(call, id!);
      return `This deletes ${title}.`;
    },
    call: (call, { args: [sale] }) => call<object>('DELETE', `products/${path(sale!)}`),
    show: () => 'deleted',
  }),
];
