import type { Product, SaleFacts } from '../client/operator-types.ts';
import { localTimeOf, utcOf } from './format.ts';
import { textIn } from './form.ts';

/** The facts in the fields. */
export function factsOf(form: FormData): SaleFacts {
  const timeOf = (name: string): string => (textIn(form, name) === '' ? '' : utcOf(textIn(form, name)));
  const orNull = (name: string): string | null => (textIn(form, name) === '' ? null : textIn(form, name));
  return {
    name: textIn(form, 'name'),
    price: Number(textIn(form, 'price')),
    units_per_shopper: Number(textIn(form, 'units_per_shopper')),
    start_time: timeOf('start_time'),
    end_time: timeOf('end_time'),
    // A form ends its lines in another way than JSON does.
    description: orNull('description')?.replaceAll('\r\n', '\n') ?? null,
    image_url: orNull('image_url'),
  };
}

/**
 * The facts that differ from those of the sale. A field for a local time has no milliseconds, and
 * shows the same for two hours when summer time ends: it changes the time only if it shows another.
 */
export function changesOf(form: FormData, sale: Product): Partial<SaleFacts> {
  const before: SaleFacts = {
    ...sale,
    description: sale.description ?? null,
    image_url: sale.image_url ?? null,
  };
  const isTime = (name: string): boolean => name === 'start_time' || name === 'end_time';
  return Object.fromEntries(
    Object.entries(factsOf(form)).filter(([name, value]) => {
      const old = before[name as keyof SaleFacts];
      if (!form.has(name)) return false;
      return isTime(name) ? value !== utcOf(localTimeOf(String(old))) : value !== old;
    }),
  );
}

/** When the waiting room of a new sale opens; undefined if it has none. */
export function roomOpensAt(form: FormData): string | undefined {
  const opensAt = textIn(form, 'room_opens_at');
  return opensAt === '' ? undefined : utcOf(opensAt);
}
