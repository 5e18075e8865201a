import type { Reading, ReadingChange, SaleReading } from './reading-schema.ts';

export function changeOf(last: Reading | undefined, { sales, ...rest }: Reading): ReadingChange {
  const known = last?.sales ?? new Map<number, SaleReading>();
  const changed: ReadingChange['sales'][number][] = [];
  for (const sale of sales.values()) {
    const before = known.get(sale.id);
    // Most sales are at rest.
    if (before === sale) continue;
    const change = before === undefined ? sale : fieldsChanged(before, sale);
    if (change !== undefined) changed.push(change);
  }
  return { ...rest, sales: changed, gone: [...known.keys()].filter((id) => !sales.has(id)) };
}

function fieldsChanged(before: SaleReading, now: SaleReading): ReadingChange['sales'][number] | undefined {
  const entries = Object.entries(now) as [keyof SaleReading, unknown][];
  const changed = entries.filter(([name, value]) => !isSame(before[name], value));
  return changed.length === 0 ? undefined : { ...Object.fromEntries(changed), id: now.id };
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const [one, other] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
