import { saleStatus, type Sale } from '@flash-sale/shared/sale/sale.ts';
import { countsOf, type SaleCounts, type SaleFigures } from '@flash-sale/shared/sale/sale-figures.ts';
import type { SaleTotals } from '@flash-sale/shared/sale/sale-counters-table.ts';
import type { RoomFigures } from '../waiting-room/room-figures.ts';
import { isoOf } from '../fields.ts';
import type { SaleReading } from './reading-schema.ts';

/** What a reading of a sale is made from. Undefined: the server that has it does not answer. */
interface Found {
  readonly sale: Sale;
  readonly figures: SaleFigures | undefined;
  readonly totals: SaleTotals | undefined;
  /** Undefined without a waiting room, too. */
  readonly room: RoomFigures | undefined;
  readonly nowMs: number;
}

interface Made {
  readonly sale: Sale;
  readonly text: string | undefined;
  readonly totals: SaleTotals | undefined;
  readonly room: RoomFigures | undefined;
  readonly counts: SaleCounts | undefined;
  readonly reading: SaleReading;
}

/**
 * Makes the readings of sales. A sale at rest keeps its reading of the second before, the same
 * object: of a thousand sales a few are busy, and the others must cost next to nothing.
 */
export class SaleReadings {
  #made: ReadonlyMap<number, Made> = new Map();

  of(found: readonly Found[]): ReadonlyMap<number, SaleReading> {
    const before = this.#made;
    const made = new Map(
      found.map((one) => {
        const last = before.get(one.sale.id);
        return [one.sale.id, last !== undefined && isAtRest(last, one) ? last : make(one)];
      }),
    );
    this.#made = made;
    return new Map([...made].map(([id, { reading }]) => [id, reading]));
  }
}

/**
 * Whether a new reading would be the last one again. The age of a backlog and the status depend on
 * the time.
 */
function isAtRest(last: Made, { sale, figures, totals, room, nowMs }: Found): boolean {
  return (
    last.sale === sale &&
    last.text === figures?.text &&
    isSame(last.totals, totals) &&
    isSame(last.room, room) &&
    !((last.counts?.reservations ?? 0) > 0) &&
    last.reading.status === statusOf(sale, last.counts, nowMs)
  );
}

function isSame<Counts extends object>(a: Counts | undefined, b: Counts | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (Object.keys(a) as (keyof Counts)[]).every((name) => a[name] === b[name]);
}

const statusOf = (sale: Sale, counts: SaleCounts | undefined, nowMs: number): SaleReading['status'] =>
  saleStatus(sale, {
    ready: counts?.ready === true,
    available: counts?.available ?? 0,
    paused: sale.paused,
    nowMs,
  });

function make({ sale, figures, totals, room, nowMs }: Found): Made {
  const counts = figures && countsOf(figures);
  const ready = counts?.ready === true ? counts : undefined;
  const { accepted = 0, replayed = 0, ...refused } = counts?.outcomes ?? {};
  const isKnown = counts !== undefined;
  const reading = {
    id: sale.id,
    name: sale.name,
    status: statusOf(sale, counts, nowMs),
    start_time: isoOf(sale.startMs),
    end_time: isoOf(sale.endMs),
    units: ready?.units ?? sale.seckillStock,
    available: ready?.available ?? null,
    held: ready?.held ?? null,
    gap: ready === undefined ? null : ready.available + ready.held - ready.units,
    backlog: counts?.reservations ?? null,
    oldest_ms: counts?.oldestReservationMs ?? null,
    waiting: room?.waiting ?? null,
    inside: room?.inside ?? null,
    called: room?.called ?? null,
    accepted: isKnown ? accepted : null,
    replayed: isKnown ? replayed : null,
    refused: isKnown ? refused : null,
    written: totals?.pending_payment ?? null,
    failed: totals?.failed ?? null,
    paid: totals?.paid ?? null,
    cancelled: totals?.cancelled ?? null,
    expired: totals?.expired ?? null,
    refunded: totals?.refunded ?? null,
  };
  return { sale, text: figures?.text, totals, room, counts, reading };
}
