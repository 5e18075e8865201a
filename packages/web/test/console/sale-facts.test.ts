import { afterEach, expect, test, vi } from 'vitest';
import type { Product } from '../../src/client/operator-types.ts';
import { localTimeOf } from '../../src/console/format.ts';
import { changesOf } from '../../src/console/sale-facts.ts';

afterEach(() => vi.unstubAllEnvs());

const sale = (startTime: string, endTime: string) =>
  ({
    id: 1,
    name: 'Lamp',
    price: 1,
    units_per_shopper: 1,
    start_time: startTime,
    end_time: endTime,
  }) as unknown as Product;

/** The form of a sale as it is first shown, with one field typed over. */
function formOf(shown: Product, typed: Record<string, string>): FormData {
  const form = new FormData();
  const fields = {
    name: shown.name,
    price: String(shown.price),
    units_per_shopper: String(shown.units_per_shopper),
    start_time: localTimeOf(shown.start_time),
    end_time: localTimeOf(shown.end_time),
    description: '',
    image_url: '',
    ...typed,
  };
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  return form;
}

test.each(['2026-10-25T00:30:00.250Z', '2026-10-25T01:30:00.250Z'])(
  'a new name does not move a sale that ends at %s, in the hour that comes twice when summer time ends',
  (endTime) => {
    vi.stubEnv('TZ', 'Europe/Berlin');
    const shown = sale('2026-10-24T22:00:00.000Z', endTime);
    expect(localTimeOf(endTime)).toBe('2026-10-25T02:30:00');
    expect(changesOf(formOf(shown, { name: 'Lantern' }), shown)).toEqual({ name: 'Lantern' });
  },
);

test('a time that is typed over is changed, also if the browser leaves out its seconds', () => {
  vi.stubEnv('TZ', 'Europe/Berlin');
  const shown = sale('2026-10-24T22:00:00.000Z', '2026-10-25T00:30:00.000Z');
  expect(changesOf(formOf(shown, { start_time: '2026-10-25T00:00', end_time: '2026-10-25T03:00' }), shown)).toEqual({
    end_time: '2026-10-25T02:00:00.000Z',
  });
});
