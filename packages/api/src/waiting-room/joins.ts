import type { Commands } from '@flash-sale/shared/commands.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { secretsOf } from '@flash-sale/shared/waiting-room/room-secrets.ts';
import type { Join, JoinItem } from '@flash-sale/shared/waiting-room/waiting-room-commands.ts';
import { MicroBatches, type Failure } from '../micro-batches.ts';
import type { SaleWithRoom } from './place-view.ts';

export interface JoinsDeps {
  readonly commands: Pick<Commands, 'joinRoom'>;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'roomJoins'>;
}

/** Joins shoppers to waiting rooms in micro-batches. */
export class Joins {
  readonly #batches: MicroBatches<JoinItem, Join>;

  constructor({ commands, log, metrics }: JoinsDeps) {
    this.#batches = new MicroBatches({
      name: 'join_room',
      call: (sales) => sales.map(({ sale, items }) => commands.joinRoom(sale, items)),
      count: (outcome, items) => metrics.roomJoins.inc({ outcome }, items),
      log,
    });
  }

  /** Never rejects: if Redis does not answer, the outcome is `unavailable`. */
  join(sale: SaleWithRoom, userId: string): Promise<Join | Failure> {
    const secrets = secretsOf(sale.room);
    return this.#batches.add(sale, { slot: secrets.draw(userId).slot, lateGroup: secrets.lateGroup(userId) });
  }
}
