import type { BuyOptions } from './buy.ts';
import type { ShopperClient } from './calls.ts';
import { pause } from './pause.ts';
import { Refused } from './refused.ts';
import { retrying } from './retry.ts';
import type { Place } from './types.ts';

const POLL_SECONDS = 20;
/** A poll that was answered without a new status is not repeated at once. */
const REST_MS = 500;

export interface RoomOptions extends BuyOptions {
  /** The ticket of an earlier join. Without it, the shopper joins. */
  readonly ticket?: string | undefined;
  /** Called with a new ticket. Keep it: a later one is never better. */
  readonly onTicket?: ((ticket: string) => void) | undefined;
  /**
   * How long one poll waits for a new status, 20 by default. With 0, a poll holds no connection,
   * for clients that share connections, and is repeated after `restMs`.
   */
  readonly pollSeconds?: number | undefined;
  readonly restMs?: number | undefined;
  /** Called with each reading of the place. */
  readonly onPlace?: ((place: Place) => void) | undefined;
}

/**
 * Waits in the waiting room of a sale until the shopper is called. Joins first, if there is no
 * ticket that is valid. A place is kept while the sale is sold out.
 *
 * @returns the ticket; undefined if the sale has ended
 */
export async function untilCalled(
  client: ShopperClient,
  productId: number,
  options: RoomOptions = {},
): Promise<string | undefined> {
  const { signal, onPlace, pollSeconds = POLL_SECONDS, restMs = REST_MS, wait = pause } = options;
  let { ticket } = options;
  let seen: Place['status'] | undefined;
  for (;;) {
    ticket ??= await join(client, productId, options);
    const known = ticket;
    try {
      const place = await retrying(
        () => client.place(productId, known, { waitSeconds: seen === undefined ? 0 : pollSeconds, seen, signal }),
        options,
      );
      onPlace?.(place);
      if (place.status === 'called') return known;
      if (place.status === 'ended') return undefined;
      if (place.status === seen) await wait(restMs * (0.5 + Math.random()), signal);
      seen = place.status;
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== 'ticket_invalid') throw error;
      ticket = undefined;
    }
  }
}

async function join(client: ShopperClient, productId: number, options: RoomOptions): Promise<string> {
  const { solve, signal, onTicket } = options;
  let solution: string | undefined;
  const joined = await retrying(async () => {
    try {
      return await client.join(productId, { solution, signal });
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== 'challenge_required' || solve === undefined) throw error;
      solution = await solve(await client.challenge(productId, { signal }));
      return client.join(productId, { solution, signal });
    }
  }, options);
  onTicket?.(joined.ticket);
  return joined.ticket;
}
