import { saleStatus, type Sale, type WaitingRoom } from '@flash-sale/shared/sale/sale.ts';
import { calledAtMs, callsPerSecond, peopleBetween } from '@flash-sale/shared/waiting-room/gate.ts';
import { earlyPlace, latePlace, PARTS } from '@flash-sale/shared/waiting-room/place.ts';
import { secretsOf, type Joined } from '@flash-sale/shared/waiting-room/room-secrets.ts';
import { isoOf } from '../fields.ts';
import type { RoomReading } from './room-reader.ts';

export const ROOM_STATUSES = ['waiting', 'called', 'sold_out', 'ended'] as const;
export type RoomStatus = (typeof ROOM_STATUSES)[number];

/** A sale that has a room. */
export type SaleWithRoom<Of extends Sale = Sale> = Of & { readonly room: WaitingRoom };

/** Whether a sale has a room. */
export function hasRoom<Of extends Sale>(sale: Of): sale is SaleWithRoom<Of> {
  return sale.room !== null;
}

/** A shopper with a ticket. */
export interface Guest {
  readonly userId: string;
  readonly joined: Joined;
}

/** The place of a guest; undefined while the line of early shoppers is not fixed. */
export function placeOf({ room }: SaleWithRoom, { userId, joined }: Guest, reading: RoomReading): number | undefined {
  if (joined !== 'early') return latePlace(joined.late);
  return reading.room.isDrawn ? earlyPlace(secretsOf(room).draw(userId).slot) : undefined;
}

export function isCalled(place: number | undefined, { room }: RoomReading): boolean {
  return place !== undefined && place < room.gate;
}

/** The status of a guest. It must be cheap: it is computed each second for each waiting shopper. */
export function statusOf(sale: SaleWithRoom, place: number | undefined, reading: RoomReading): RoomStatus {
  const { room } = reading;
  const status = saleStatus(sale, { ...room, ready: room.saleReady });
  if (status === 'ended' || status === 'sold_out') return status;
  return isCalled(place, reading) ? 'called' : 'waiting';
}

/** People whose turn is before this place; undefined if nobody knows yet. */
export function peopleAhead(place: number | undefined, { room, line }: RoomReading): number | undefined {
  if (place === undefined || line === undefined) return undefined;
  return Math.round(peopleBetween(line, room.gate, place));
}

/**
 * Seconds until a place may be called, by the rate of recent calls; undefined if there were none.
 */
export function waitSeconds(place: number | undefined, reading: RoomReading, passMs: number): number | undefined {
  const ahead = peopleAhead(place, reading);
  const perSecond = callsPerSecond(reading.room, reading.room.nowMs, passMs);
  return ahead === undefined || perSecond === undefined ? undefined : Math.ceil((ahead + 1) / perSecond);
}

/** When the pass of a called guest ends; undefined if it has ended or the guest is not called. */
export function passEndMs(place: number, { room }: RoomReading, passMs: number): number | undefined {
  const atMs = calledAtMs(room, place);
  return atMs !== undefined && atMs + passMs > room.nowMs ? atMs + passMs : undefined;
}

/** The place in the form of the API. */
export function placeView(sale: SaleWithRoom, guest: Guest, reading: RoomReading, passMs: number) {
  const place = placeOf(sale, guest, reading);
  const status = statusOf(sale, place, reading);
  const untilMs = place === undefined ? undefined : passEndMs(place, reading, passMs);
  return {
    status,
    place: shownPlace(sale, guest, reading),
    ...(status === 'waiting'
      ? {
          ahead: peopleAhead(place, reading) ?? null,
          estimated_wait_seconds: waitSeconds(place, reading, passMs) ?? null,
        }
      : {}),
    ...(status === 'called' && untilMs !== undefined ? { called_until: isoOf(untilMs) } : {}),
    ...(status === 'sold_out' ? { units_may_return: reading.room.mayReturn } : {}),
  };
}

/** The number with which a shopper checks the draw: below 1 for early places, else 1 or more. */
function shownPlace({ room }: SaleWithRoom, { userId, joined }: Guest, reading: RoomReading): number | null {
  if (joined !== 'early') return 1 + joined.late / PARTS;
  return reading.room.isDrawn ? secretsOf(room).draw(userId).fraction : null;
}
