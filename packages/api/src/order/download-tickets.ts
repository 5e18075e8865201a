import { randomBytes } from 'node:crypto';
import type { OrderFilter } from '@flash-sale/shared/order/order-list-table.ts';
import type { AppDeps } from '../deps.ts';

export const TICKET_PATTERN = '^[\\w-]{32}$';
const TICKET_BYTES = 24;
const LIFE_MS = 60_000;

/**
 * Tickets for downloads by a browser, which cannot send an operator token with an address. A ticket
 * stands for one list of orders and is used up by the first download, so an address in a log or in
 * the history of a browser is worth nothing. Any api process may serve it.
 */
export class DownloadTickets {
  readonly #deps: Pick<AppDeps, 'operatorRedis' | 'keys'>;

  constructor(deps: Pick<AppDeps, 'operatorRedis' | 'keys'>) {
    this.#deps = deps;
  }

  async issue(filter: OrderFilter): Promise<{ readonly ticket: string; readonly expiresMs: number }> {
    const { operatorRedis, keys } = this.#deps;
    const ticket = randomBytes(TICKET_BYTES).toString('base64url');
    await operatorRedis.set(keys.downloadTicket(ticket), JSON.stringify(filter), 'PX', LIFE_MS);
    return { ticket, expiresMs: Date.now() + LIFE_MS };
  }

  /** What the ticket stands for; undefined if it was used before or is too old. */
  async use(ticket: string): Promise<OrderFilter | undefined> {
    const { operatorRedis, keys } = this.#deps;
    const text = await operatorRedis.getdel(keys.downloadTicket(ticket));
    return text === null ? undefined : (JSON.parse(text) as OrderFilter);
  }
}
