import { Refusal } from '../platform/errors.ts';
import { checkPayable, type ProductTexts, type Sale, type SaleRef, type SaleWithTexts } from '../sale/sale.ts';
import { changeSale, type ChangeOptions } from './change.ts';
import type { RebuildDeps } from './rebuild.ts';

type Editable = Pick<Sale, 'name' | 'priceCents' | 'unitsPerShopper' | 'startMs' | 'endMs' | 'room'> & ProductTexts;

/** The facts of a sale that an operator may edit. A fact that is missing stays as it is. */
export type SaleEdit = { readonly [Fact in keyof Omit<Editable, 'room'>]?: Editable[Fact] | undefined } & {
  readonly roomOpensAtMs?: number | undefined;
};

/** What shoppers rely on from the start on, with its name in the API. */
const FIXED_FROM_START = { priceCents: 'price', startMs: 'start_time', room: 'waiting_room.opens_at' } as const;

/**
 * Edits a sale. Until it starts, everything may change. From then on its price, its start
 * and the opening of its waiting room stay; after its end nothing changes. A repeat changes
 * nothing.
 *
 * @returns the sale as it is now, or undefined if its lease was not free in time
 * @throws Refusal `ended`, `invalid_state` or `invalid_request`
 */
export function editSale(
  deps: RebuildDeps,
  ref: SaleRef,
  edit: SaleEdit,
  options: ChangeOptions & { readonly priceCentsMin: number },
): Promise<SaleWithTexts | undefined> {
  return changeSale(deps, ref, options, (sale, nowMs) => {
    const changed = changedFacts(sale, edit);
    if (Object.keys(changed).length === 0) return undefined;
    if (nowMs >= sale.endMs) throw new Refusal('ended');
    // Once the line is drawn the seed is public, also if the clock was set back to before the
    // start.
    if (nowMs >= sale.startMs || sale.room?.isDrawn === true) checkFixed(changed);
    const { startMs, endMs, room } = { ...sale, ...changed };
    const invalid = (detail: string): Refusal => new Refusal('invalid_request', { detail });
    if (endMs <= startMs) throw invalid('body/end_time must be after start_time');
    if (endMs <= nowMs) throw invalid('body/end_time must be in the future. To end a sale now, use its `end` call');
    // A sale of an older version may have a higher price: its other facts may still change.
    if ('priceCents' in changed || 'unitsPerShopper' in changed) {
      checkPayable({ ...sale, ...changed }, options.priceCentsMin);
    }
    if (room !== null && room.opensAtMs >= startMs)
      throw invalid('body/waiting_room/opens_at must be before start_time');
    return changed;
  });
}

function changedFacts(sale: Editable, { roomOpensAtMs, ...edit }: SaleEdit): Partial<Editable> {
  const given = Object.entries(edit) as [keyof Editable, unknown][];
  const changed = Object.fromEntries(given.filter(([fact, value]) => value !== undefined && value !== sale[fact]));
  if (roomOpensAtMs === undefined || roomOpensAtMs === sale.room?.opensAtMs) return changed;
  if (sale.room === null) throw new Refusal('invalid_state', { detail: 'The sale has no waiting room' });
  return { ...changed, room: { ...sale.room, opensAtMs: roomOpensAtMs } };
}

function checkFixed(changed: Partial<Editable>): void {
  const fixed = Object.entries(FIXED_FROM_START).filter(([fact]) => fact in changed);
  if (fixed.length === 0) return;
  const names = fixed.map(([, name]) => name).join(' and ');
  throw new Refusal('invalid_state', { detail: `The sale has started: ${names} cannot change any more` });
}
