import { priceOfCents } from '@flash-sale/shared/platform/money.ts';
import {
  saleStatus,
  type LiveSale,
  type Sale,
  type SaleWithTexts,
  type WaitingRoom,
} from '@flash-sale/shared/sale/sale.ts';
import { commitmentOf } from '@flash-sale/shared/waiting-room/room-secrets.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import { codeOfRedisError } from '@flash-sale/shared/platform/redis/errors.ts';
import type { AppDeps } from '../deps.ts';
import { isoOf } from '../fields.ts';

/** The state of a sale in Redis; undefined while Redis does not answer. */
export async function liveOf(commands: Commands, sale: Sale): Promise<LiveSale | undefined> {
  try {
    return await commands.readSale(sale);
  } catch (error) {
    if (codeOfRedisError(error) === undefined) throw error;
    return undefined;
  }
}

/** A product in the form of the API, with the present state of its sale. */
export async function liveProduct(
  { commands, clock }: Pick<AppDeps, 'commands' | 'clock'>,
  sale: SaleWithTexts,
): Promise<Product> {
  return productOf(sale, (await liveOf(commands, sale)) ?? { nowMs: clock(sale.shard).nowMs() });
}

/** The state of a sale while Redis does not answer. */
const UNKNOWN = {
  ready: false,
  version: 0,
  available: 0,
  held: 0,
  backlog: 0,
  pauseVersion: -1,
  paused: false,
};

export type Product = ReturnType<typeof productOf>;

/** A product in the form of the API. */
export function productOf(sale: SaleWithTexts, live: LiveSale | Pick<LiveSale, 'nowMs'>) {
  const known = 'ready' in live ? live : { ...UNKNOWN, ...live };
  return {
    id: sale.id,
    name: sale.name,
    ...(sale.description === null ? {} : { description: sale.description }),
    ...(sale.imageUrl === null ? {} : { image_url: sale.imageUrl }),
    price: priceOfCents(sale.priceCents),
    stock: sale.stock,
    seckill_stock: sale.seckillStock,
    units_per_shopper: sale.unitsPerShopper,
    start_time: isoOf(sale.startMs),
    end_time: isoOf(sale.endMs),
    status: saleStatus(sale, known),
    available: known.ready ? known.available : null,
    ...(sale.room === null ? {} : { waiting_room: roomOf(sale.room) }),
  };
}

/** The public facts of a waiting room: its seed only when nobody can use it any more. */
function roomOf(room: WaitingRoom) {
  return {
    opens_at: isoOf(room.opensAtMs),
    admit_per_second: room.admitPerSecond,
    commitment: commitmentOf(room),
    ...(room.isDrawn ? { seed: room.seed } : {}),
  };
}
