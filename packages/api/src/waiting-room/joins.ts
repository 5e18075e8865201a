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

/** A join with its ticket, or why there is none. */
type Joining =
  | (Extract<Join, { readonly outcome: 'joined' }> & { readonly ticket: string })
  | Exclude<Join, { readonly outcome: 'joined' }>;

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
  async join(sale: SaleWithRoom, userId: string): Promise<Joining | Failure> {
    const claim = { userId, saleId: sale.id };
    const secrets = secretsOf(sale.room);
    const { ticket, shopper } = secrets.early(claim);
    const join = await this.#batches.add(sale, { slot: secrets.draw(userId).slot, shopper });
    if (join.outcome !== 'joined') return join;
    const { joined } = join;
    return { ...join, ticket: joined === 'early' ? ticket : secrets.sign(claim, joined) };
  }
}
