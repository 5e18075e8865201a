import { setTimeout as pause } from 'node:timers/promises';
import type { SaleFacts } from './checker/record.ts';
import type { Client } from './client.ts';
import { OPERATOR_TOKEN } from './cluster.ts';
import type { Crowd } from './crowd.ts';
import type { History } from './history.ts';
import type { LedgerReader } from './ledger-reader.ts';
import type { RedisReader } from './redis-reader.ts';

export const PRICE = 19.99;
const OPEN_MS_MAX = 15_000;

const DRAIN_MS_MAX = 15_000;
/** With a waiting room, each buyer of a returned unit first waits to be called. */
const ROOM_DRAIN_MS_MAX = 25_000;

const AT_ONCE = 60;

const PAYING_AT_ONCE = 120;

/** What an operator says of a new sale. */
export type OpenedSale = Pick<SaleFacts, 'units' | 'units_per_shopper' | 'start_ms' | 'end_ms' | 'has_room'>;

/** Opens a sale over HTTP, like an operator. */
export async function openSale(
  client: Client,
  { units, units_per_shopper: unitsPerShopper, start_ms: startMs, end_ms: endMs, has_room: hasRoom }: OpenedSale,
): Promise<number> {
  const untilMs = Date.now() + OPEN_MS_MAX;
  for (;;) {
    const { status, body } = await client.call({
      kind: 'open',
      shopper: '',
      sale: 0,
      method: 'POST',
      path: '/api/v1/admin/products',
      headers: { authorization: `Bearer ${OPERATOR_TOKEN}` },
      body: {
        name: 'chaos',
        price: PRICE,
        stock: units,
        seckill_stock: units,
        units_per_shopper: unitsPerShopper,
        start_time: new Date(startMs).toISOString(),
        end_time: new Date(endMs).toISOString(),
        ...(hasRoom === true ? { waiting_room: { opens_at: new Date(startMs - 1_000).toISOString() } } : {}),
      },
    });
    if (status === 201) return Number(body?.['id']);
    if (Date.now() > untilMs)
      throw new Error(`the sale could not be opened: ${status ?? 'no answer'} ${JSON.stringify(body)}`);
    await pause(200);
  }
}

/** Keeps shoppers arriving, fewer when units get scarce, so that every fault finds some units. */
export function keepPace(
  crowd: Crowd,
  unitsLeft: () => number,
  units: number,
  perSecond: number,
): { readonly stop: () => void } {
  crowd.pace(perSecond);
  let isStopped = false;
  const timer = setInterval(() => {
    const share = unitsLeft() / units;
    crowd.pace(share > 0.5 ? perSecond : share > 0.25 ? perSecond / 3 : perSecond / 12);
  }, 200);
  return {
    stop() {
      if (isStopped) return;
      isStopped = true;
      clearInterval(timer);
      crowd.pace(0);
    },
  };
}

/** Resolves when the sale has orders. An earlier fault would hit an idle service. */
export async function firstOrders(history: History): Promise<void> {
  const untilMs = Date.now() + OPEN_MS_MAX;
  while (!history.calls.some(({ status }) => status === 202) && Date.now() < untilMs) await pause(20);
}

/**
 * Sends buyers until nothing is available, or until so many have arrived that something must be
 * wrong.
 */
export async function sellOut(crowd: Crowd, redis: RedisReader, sale: number): Promise<void> {
  for (let waves = 0; waves < 6; waves += 1) {
    const { ready, available } = await redis.sample(sale);
    if (ready && available <= 0) return;
    await crowd.march(Math.ceil(available * 1.1) + 30, AT_ONCE);
  }
}

/**
 * Sells returned units to buyers who pay, until nothing changes any more: every order is written
 * and paid or closed, and every returned unit is sold again. Returns false if that takes too long.
 */
export async function sellForGood(options: {
  readonly crowd: Crowd;
  readonly redis: RedisReader;
  readonly ledger: LedgerReader;
  readonly sales: readonly SaleFacts[];
}): Promise<boolean> {
  const { crowd, redis, ledger, sales } = options;
  const hasRoom = sales.some(({ has_room: room }) => room === true);
  const untilMs = Date.now() + (hasRoom ? ROOM_DRAIN_MS_MAX : DRAIN_MS_MAX);
  for (;;) {
    let toSell = 0;
    try {
      const waiting = await Promise.all(
        sales.map(async ({ id, sellsOut }) => {
          const isMoving = await ledger.isMoving(id);
          // Read this after the ledger: a unit that was given back there is available here by now.
          const { ready, batches, available } = await redis.sample(id);
          if (sellsOut && ready) toSell += available;
          return isMoving || !ready || batches > 0;
        }),
      );
      if (!waiting.includes(true) && toSell === 0) return true;
    } catch {
      // A server is still down. Try again.
    }
    if (Date.now() > untilMs) return false;
    if (toSell > 0) await crowd.march(Math.ceil(toSell * 1.1) + 5, PAYING_AT_ONCE, true);
    else await pause(50);
  }
}
