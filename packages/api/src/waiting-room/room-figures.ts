import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import { EarlyLine } from '@flash-sale/shared/waiting-room/early-line.ts';
import { peopleBetween, peopleInside } from '@flash-sale/shared/waiting-room/gate.ts';
import { latePlace } from '@flash-sale/shared/waiting-room/place.ts';
import type { SaleWithRoom } from './place-view.ts';
import type { RoomReader } from './room-reader.ts';

/** The people of a waiting room, for operators. */
export interface RoomFigures {
  readonly waiting: number;
  readonly inside: number;
  /** A total, which only rises. */
  readonly called: number;
}

interface Deps {
  readonly config: Pick<Config, 'PASS_SECONDS'>;
  readonly commands: Pick<Commands, 'lookAtRoom' | 'readEarly'>;
  readonly rooms: RoomReader;
}

export async function readRoomFigures({ config, commands, rooms }: Deps, sale: SaleWithRoom): Promise<RoomFigures> {
  const passMs = config.PASS_SECONDS * 1_000;
  const [{ room, line: fixed }, { bought }] = await Promise.all([rooms.read(sale), commands.lookAtRoom(sale, passMs)]);
  const line = fixed ?? new EarlyLine(await commands.readEarly(sale));
  return {
    waiting: Math.round(peopleBetween(line, room.gate, latePlace(room.late))),
    inside: peopleInside(room, { nowMs: room.nowMs, bought }, passMs),
    called: Math.round(peopleBetween(line, 0, room.gate)),
  };
}
