import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import { secretsOf } from '@flash-sale/shared/waiting-room/room-secrets.ts';
import { isCalled, passEndMs, placeOf, statusOf, waitSeconds, type Guest, type SaleWithRoom } from './place-view.ts';
import type { RoomReader } from './room-reader.ts';

/** A refused shopper looks again after this many seconds, at the latest. */
const LOOK_AGAIN_S_MAX = 60;

export interface DoorkeeperDeps {
  readonly config: Pick<Config, 'PASS_SECONDS'>;
  readonly commands: Pick<Commands, 'enterRoom'>;
  readonly rooms: RoomReader;
  readonly log: Logger;
}

/** Decides who may have a seckill token of a sale with a waiting room: called shoppers. */
export class Doorkeeper {
  readonly #deps: DoorkeeperDeps;

  constructor(deps: DoorkeeperDeps) {
    this.#deps = deps;
  }

  /**
   * The guest with this ticket.
   *
   * @throws Refusal `ticket_invalid`
   */
  guest(sale: SaleWithRoom, userId: string, ticket: string): Guest {
    const joined = secretsOf(sale.room).verify(ticket, { userId, saleId: sale.id });
    if (joined === undefined) throw new Refusal('ticket_invalid');
    return { userId, joined };
  }

  /**
   * Lets a called shopper in, even if the pass has ended: a called shopper is never sent back.
   *
   * @throws Refusal `not_called`, `ticket_invalid`, `ended` or `not_ready`
   */
  async letIn(sale: SaleWithRoom, userId: string, ticket: string | undefined): Promise<void> {
    const { config, rooms } = this.#deps;
    const passMs = config.PASS_SECONDS * 1_000;
    if (ticket === undefined) throw new Refusal('not_called', { detail: 'Join the waiting room of this sale first' });
    const guest = this.guest(sale, userId, ticket);
    let reading = await rooms.read(sale);
    let place = placeOf(sale, guest, reading);
    if (!isCalled(place, reading)) {
      // The shopper may know of a later call than this reading, from another api process.
      reading = await rooms.fresh(sale);
      place = placeOf(sale, guest, reading);
    }
    if (place !== undefined && isCalled(place, reading)) {
      const endMs = passEndMs(place, reading, passMs);
      if (endMs !== undefined) this.#noteEntry(sale, userId, endMs);
      return;
    }
    if (statusOf(sale, place, reading) === 'ended') throw new Refusal('ended');
    if (!reading.room.isLoaded) throw new Refusal('not_ready');
    const startS = Math.ceil((sale.startMs - reading.room.nowMs) / 1_000);
    const waitS = startS > 0 ? startS : (waitSeconds(place, reading, passMs) ?? LOOK_AGAIN_S_MAX);
    throw new Refusal('not_called', { retryAfterS: Math.min(LOOK_AGAIN_S_MAX, Math.max(1, waitS)) });
  }

  /**
   * Notes the shopper, who then does not count as inside after the buy. If this is lost, others are
   * called later.
   */
  #noteEntry(sale: SaleWithRoom, userId: string, endMs: number): void {
    this.#deps.commands
      .enterRoom(sale, [{ userId, passEndMs: endMs }])
      .catch((error: unknown) => this.#deps.log.debug({ err: error, sale: sale.id }, 'could not note an entry'));
  }
}
