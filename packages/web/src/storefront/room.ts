import { untilCalled, type Place, type RetryOptions } from '../client/client.ts';
import type { PurchaseOptions } from './purchase-options.ts';
import type { Waits } from './waits.ts';

interface Deps extends Pick<PurchaseOptions, 'client' | 'watch' | 'records' | 'solve'> {
  readonly waits: Waits;
  /** Shows the place; none before the shopper has joined. */
  readonly show: (place?: Place) => void;
  readonly retryOptions: (signal: AbortSignal) => RetryOptions;
}

/** The waiting room of a sale, if it has one, for one shopper. */
export class Room {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Whether the sale has one; waits until the sale can be read. */
  async exists(signal: AbortSignal): Promise<boolean> {
    const { waits, watch } = this.#deps;
    await waits.startMs(signal);
    return watch.reading.get().sale?.waiting_room !== undefined;
  }

  /**
   * Waits until the shopper is called; false if the sale has ended. The ticket is in the record.
   */
  async untilCalled(signal: AbortSignal): Promise<boolean> {
    const { client, watch, records, solve, waits, show, retryOptions } = this.#deps;
    show();
    await waits.untilRoomOpens(signal);
    const ticket = await untilCalled(client, watch.productId, {
      ...retryOptions(signal),
      ticket: records.read().ticket,
      onTicket: (issued) =>
        records.change({ ticket: issued, commitment: watch.reading.get().sale?.waiting_room?.commitment }),
      onPlace: show,
      solve: (challenge) => solve(challenge, signal),
    });
    return ticket !== undefined;
  }
}
